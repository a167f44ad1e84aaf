-- Revert orders:0003_saga from pg

begin;

revoke update
    on orders
    from :"role";

drop table order_history;

alter table order_lines
    drop column name;

drop index orders_due_at_idx;

alter table orders
    drop column due_at,
    drop column version,
    drop column reason,
    drop column status;

commit;
