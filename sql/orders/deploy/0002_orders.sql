-- Deploy orders:0002_orders to pg
-- requires: 0001_runtime

begin;

create table orders (
    id uuid not null,
    user_id uuid not null,
    currency text not null,
    total_cents bigint not null,
    created_at timestamptz not null,
    constraint orders_pkey
        primary key (id),
    constraint orders_currency_check
        check (currency ~ '^[A-Z]{3}$'),
    constraint orders_total_cents_check
        check (total_cents >= 0)
);

-- ids are of version 7: their order is the order of time
create index orders_user_id_id_idx
    on orders (user_id, id);

create table order_lines (
    order_id uuid not null,
    position integer not null,
    product_id text not null,
    quantity integer not null,
    unit_price_cents bigint not null,
    constraint order_lines_pkey
        primary key (order_id, position),
    constraint order_lines_order_id_fkey
        foreign key (order_id)
        references orders (id)
        on delete cascade,
    constraint order_lines_position_check
        check (position > 0),
    constraint order_lines_quantity_check
        check (quantity > 0),
    constraint order_lines_unit_price_cents_check
        check (unit_price_cents >= 0)
);

grant select, insert
    on orders, order_lines
    to :"role";

commit;
