-- Deploy catalog:0002_catalog to pg
-- requires: 0001_runtime

begin;

create table products (
    id text not null,
    place uuid not null,
    name text not null,
    description text not null,
    category text not null,
    price_cents bigint not null,
    currency text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    words tsvector not null
        generated always as (
            setweight(to_tsvector('english', name), 'A')
            || setweight(to_tsvector('english', category), 'B')
            || setweight(to_tsvector('english', description), 'C')) stored,
    constraint products_pkey
        primary key (id),
    constraint products_place_key
        unique (place),
    constraint products_id_check
        check (id ~ '^[A-Za-z0-9._-]{1,64}$'),
    constraint products_category_check
        check (category ~ '^[a-z0-9-]{1,64}$'),
    constraint products_price_cents_check
        check (price_cents >= 0),
    constraint products_currency_check
        check (currency ~ '^[A-Z]{3}$')
);

create index products_category_place_idx
    on products (category, place);

create index products_words_idx
    on products using gin (words);

-- beside the products, since these rows change with every order: small ones,
-- without an index on what changes, and with room for that on their page
create table stock (
    product_id text not null,
    available bigint not null default 0,
    reserved bigint not null default 0,
    constraint stock_pkey
        primary key (product_id),
    constraint stock_product_id_fkey
        foreign key (product_id)
        references products (id),
    constraint stock_available_check
        check (available >= 0),
    constraint stock_reserved_check
        check (reserved >= 0)
) with (fillfactor = 50);

-- What an order holds.  "releasing" and "selling" are decided, and their pieces
-- not yet moved; "cancelled" is the end of an order that never held anything,
-- perhaps before it came.
create table reservations (
    order_id uuid not null,
    state text not null,
    reason text,
    product_ids text[] not null default '{}',
    quantities integer[] not null default '{}',
    expires_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint reservations_pkey
        primary key (order_id),
    constraint reservations_state_check
        check (state in ('held', 'releasing', 'released', 'selling', 'sold',
            'rejected', 'cancelled')),
    constraint reservations_expires_at_check
        check (state <> 'held' or expires_at is not null),
    constraint reservations_quantities_check
        check (cardinality(product_ids) = cardinality(quantities))
);

create index reservations_expires_at_idx
    on reservations (expires_at)
    where state = 'held';

grant select, insert, update
    on products, stock, reservations
    to :"role";

commit;
