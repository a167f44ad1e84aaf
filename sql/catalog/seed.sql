-- Copyright (C) the Warren authors
--
-- A thousand products to try the service with: the same ones each time, tea-100
-- among them.  Those that are there already are left as they are.
--
--     psql -X -d catalog_db -f sql/catalog/seed.sql

\set ON_ERROR_STOP on
\set QUIET on

begin;

create temporary table kinds on commit drop as
select *
from (values
    ('tea', 450, 'leaves from a single garden, dried in small batches',
        array['green tea', 'black tea', 'oolong', 'white tea', 'herbal tea']),
    ('coffee', 890, 'beans that are roasted slowly and packed the same day',
        array['espresso beans', 'filter coffee', 'decaf beans', 'ground coffee',
            'cold brew blend']),
    ('chocolate', 320, 'cocoa from growers who are paid for its quality',
        array['dark chocolate', 'milk chocolate', 'cocoa powder', 'pralines',
            'nut bar']),
    ('spices', 280, 'whole spices, ground shortly before they are packed',
        array['cinnamon', 'black pepper', 'curry powder', 'smoked paprika',
            'cardamom']),
    ('kitchen', 2490, 'made for kitchens in which somebody cooks every day',
        array['saucepan', 'chopping board', 'mixing bowl', 'whisk', 'sieve']),
    ('knives', 4900, 'a blade that is easily kept sharp, and a full tang',
        array['bread knife', 'paring knife', 'cleaver', 'santoku',
            'carving knife']),
    ('glass', 1290, 'blown by hand, so that no two are quite the same',
        array['carafe', 'wine glass', 'tumbler', 'vase', 'storage jar']),
    ('ceramics', 1890, 'stoneware that is fired twice and glazed by hand',
        array['mug', 'teapot', 'dinner plate', 'soup bowl', 'pitcher']),
    ('linen', 3490, 'woven from flax that was grown without irrigation',
        array['tablecloth', 'tea towel', 'bed sheet', 'apron', 'napkin set']),
    ('lamps', 5990, 'with a warm light, and a bulb that can be replaced',
        array['desk lamp', 'floor lamp', 'pendant lamp', 'lantern',
            'bedside lamp']),
    ('chairs', 12900, 'joints without screws, and a seat for long evenings',
        array['armchair', 'stool', 'rocking chair', 'bench', 'folding chair']),
    ('desks', 24900, 'solid boards, oiled, with room for cables underneath',
        array['writing desk', 'standing desk', 'workbench', 'bureau',
            'drawing table']),
    ('books', 1490, 'printed on heavy paper, and bound to stay open',
        array['cookbook', 'atlas', 'field guide', 'notebook', 'sketchbook']),
    ('toys', 1990, 'without batteries, and safe to chew on',
        array['building blocks', 'puzzle', 'kite', 'spinning top',
            'wooden train']),
    ('games', 2990, 'rules of a page, and a different ending each time',
        array['card game', 'board game', 'chess set', 'dice game',
            'memory game']),
    ('garden', 1790, 'for hands and soil, in every weather',
        array['trowel', 'watering can', 'pruning shears', 'seed box', 'rake']),
    ('bicycles', 3990, 'fits common frames, and is fitted with one tool',
        array['bicycle bell', 'saddle', 'pannier', 'front light', 'pump']),
    ('camping', 6990, 'light to carry, and quick to dry',
        array['tent', 'sleeping bag', 'camping stove', 'headlamp',
            'water bottle']),
    ('music', 8900, 'tuned and played before it leaves the workshop',
        array['ukulele', 'harmonica', 'tambourine', 'recorder', 'music stand']),
    ('soap', 690, 'made cold, from oils that one could eat',
        array['olive soap', 'shampoo bar', 'shaving soap', 'laundry soap',
            'hand cream'])
) as t (category, cents, detail, nouns);

create temporary table seeds on commit drop as
with qualities as (
    select *
    from (values
        (0, 'Plain', 'The plain one, for every day:', 80),
        (1, 'Small', 'Just enough for one:', 65),
        (2, 'Large', 'Enough for the whole table:', 160),
        (3, 'Classic', 'As it has been made for a hundred years:', 110),
        (4, 'Organic', 'Certified, from the field to the parcel:', 135),
        (5, 'Fine', 'A little better than it needs to be:', 150),
        (6, 'Rustic', 'With an edge or two that is not straight:', 95),
        (7, 'Nordic', 'Bright, light and quiet:', 140),
        (8, 'Travel', 'Packed so that it comes along:', 105),
        (9, 'Master''s', 'For those who do this for a living:', 220)
    ) as t (n, word, opening, percent)),
kinds_numbered as (
    select *, row_number() over (order by category) - 1 as kind
    from kinds)
select category || '-' || 100 + q.n * 5 + noun.n - 1 as id,
    kind * 50 + q.n * 5 + noun.n - 1 as n,
    q.word || ' ' || noun.word as name,
    q.opening || ' ' || noun.word || ', ' || detail || '.' as description,
    category,
    cents * q.percent * (90 + 5 * noun.n) / 10000 as price_cents
from kinds_numbered
    cross join qualities as q
    cross join unnest(nouns) with ordinality as noun (word, n);

-- a minute apart, and the place in lists is a UUID of that time
insert into products
(id, place, name, description, category, price_cents, currency, created_at,
    updated_at)
select id,
    (lpad(to_hex(extract(epoch from made_at)::bigint * 1000), 12, '0')
        || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
    name, description, category, price_cents, 'EUR', made_at, made_at
from seeds,
    lateral (
        select timestamptz '2026-01-01 00:00:00+00' + n * interval '1 minute'
            as made_at) as t
order by n
on conflict on constraint products_pkey do nothing;

-- one in forty is sold out
insert into stock (product_id, available)
select id,
    case n % 40
        when 39 then 0
        else 20 + n * 7919 % 480
    end
from seeds
order by n
on conflict on constraint stock_pkey do nothing;

commit;

analyze products, stock;
