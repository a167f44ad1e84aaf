-- Deploy payments:0002_payments to pg
-- requires: 0001_runtime

begin;

-- One for each order, made by whichever event of it comes first; what it is
-- about is known when its amount is.  next_at is when a capture that has begun
-- and not ended is looked at again.
create table payments (
    id uuid not null,
    order_id uuid not null,
    user_id uuid,
    amount_cents bigint,
    currency text,
    payment_method text,
    state text not null,
    is_reserved boolean not null default false,
    is_cancelled boolean not null default false,
    reason text,
    version integer not null default 0,
    attempts bigint not null default 0,
    next_at timestamptz,
    error text,
    charge text,
    refunded_cents bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint payments_pkey
        primary key (id),
    constraint payments_order_id_key
        unique (order_id),
    constraint payments_state_check
        check (state in ('waiting', 'capturing', 'captured', 'declined',
            'cancelled')),
    constraint payments_amount_cents_check
        check (amount_cents >= 0),
    constraint payments_currency_check
        check (currency ~ '^[A-Z]{3}$'),
    constraint payments_known_check
        check (state in ('waiting', 'cancelled')
            or (amount_cents is not null and user_id is not null
                and currency is not null)),
    constraint payments_charge_check
        check ((state = 'captured') = (charge is not null)),
    constraint payments_refunded_cents_check
        check (refunded_cents >= 0
            and refunded_cents <= coalesce(amount_cents, 0)
            and (refunded_cents = 0 or state = 'captured'))
);

-- not by the state: who looks for one payment in this state would read all
create index payments_next_at_idx
    on payments (next_at)
    where next_at is not null;

-- What is paid back, or on its way: payments.refunded_cents is the sum of those
-- that did not fail.
create table refunds (
    id uuid not null,
    payment_id uuid not null,
    amount_cents bigint not null,
    state text not null default 'refunding',
    cause text not null,
    attempts bigint not null default 0,
    next_at timestamptz,
    error text,
    reference text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint refunds_pkey
        primary key (id),
    constraint refunds_payment_id_fkey
        foreign key (payment_id)
        references payments (id),
    constraint refunds_amount_cents_check
        check (amount_cents > 0),
    constraint refunds_state_check
        check (state in ('refunding', 'refunded', 'failed')),
    constraint refunds_cause_check
        check (cause in ('requested', 'cancelled'))
);

create index refunds_payment_id_idx
    on refunds (payment_id);

create index refunds_next_at_idx
    on refunds (next_at)
    where next_at is not null;

grant select, insert, update
    on payments, refunds
    to :"role";

commit;
