-- Deploy orders:0003_saga to pg
-- requires: 0002_orders

begin;

-- What becomes of an order.  "paid" is an order whose payment was heard of
-- before its reservation.  Defaults are for workers of before, which know
-- nothing of this; an order without due_at waits for as long as it takes.
alter table orders
    add column status text not null default 'placed',
    add column reason text,
    add column version integer not null default 1,
    add column due_at timestamptz,
    add constraint orders_status_check
        check (status in ('placed', 'reserved', 'paid', 'confirmed',
            'cancelled')),
    add constraint orders_reason_check
        check ((status = 'cancelled') = (reason is not null)),
    add constraint orders_version_check
        check (version > 0);

-- of those alone that are not over: they are few, however many there were
create index orders_due_at_idx
    on orders (due_at)
    where status in ('placed', 'reserved', 'paid');

-- as the catalog called it when it was ordered
alter table order_lines
    add column name text not null default '';

-- What happened to an order after it was placed, which is version 1 and told by
-- the order itself.  aggregateversion is that of an event of another service.
create table order_history (
    order_id uuid not null,
    version integer not null,
    at timestamptz not null default now(),
    what text not null,
    aggregateversion bigint,
    detail jsonb not null default '{}',
    constraint order_history_pkey
        primary key (order_id, version),
    constraint order_history_order_id_fkey
        foreign key (order_id)
        references orders (id)
        on delete cascade,
    constraint order_history_version_check
        check (version > 1)
);

grant update
    on orders
    to :"role";

grant select, insert
    on order_history
    to :"role";

commit;
