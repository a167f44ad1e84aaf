/*
 * Copyright (C) the Warren authors
 *
 * The shop: one page over the HTTP API.  What comes from it is only ever set
 * as text.
 */

'use strict';


const PAGE = 12;                /* products of a page */
const FEW = 10;                 /* orders, and notifications, of a page */
const RENEW_BEFORE_MS = 30000;  /* a token is renewed so long before its end */
const POLL_MS = 3000;           /* how often is asked while there is no stream */
const STEP_MS = 1500;           /* and for an order that is on its way */
const AGAIN_MS = [500, 30000];  /* first and longest wait for a new stream */

const FINAL = ['confirmed', 'cancelled'];

const $ = (id) => document.getElementById(id);

const state = {
    session: load('session'),   /* token, refresh, until (ms), user */
    cart: load('cart') ?? [],   /* product and quantity, in their order */
    orderKey: null,             /* Idempotency-Key of the cart as it is */
    query: {},                  /* what the products shown were asked by */
    cursor: {},                 /* next pages: products, orders, told */
    orders: new Map(),          /* id: order, steps, payment, and its element */
    told: new Map(),            /* id: element */
    stream: null,               /* AbortController of what is read */
    renewal: null,              /* the promise of a token, while it is asked */
    secret: null,               /* of a link that resets the password */
    again: AGAIN_MS[0],         /* first wait for a new stream, as it says */
    last: null,                 /* id of the newest event of the stream */
    timer: {}                   /* poll and steps */
};


/* ---- helpers */

function load(name) {
    try {
        return JSON.parse(sessionStorage.getItem(name));

    } catch {
        return null;
    }
}


function save(name, value) {
    try {
        sessionStorage.setItem(name, JSON.stringify(value));

    } catch {
        /* then it lives as long as the page */
    }
}


/* An element with properties and children; texts become text nodes. */

function el(tag, properties, ...children) {
    const element = document.createElement(tag);

    for (const [name, value] of Object.entries(properties ?? {})) {
        if (name.startsWith('on')) {
            element.addEventListener(name.slice(2), value);

        } else if (name in element) {
            element[name] = value;

        } else {
            element.setAttribute(name, value);
        }
    }

    element.append(...children.filter((child) => child != null));

    return element;
}


function money(cents, currency) {
    return new Intl.NumberFormat(undefined, { style: 'currency', currency })
        .format(cents / 100);
}


function clock(text) {
    const date = new Date(text);
    const day = new Date().toDateString() === date.toDateString()
        ? {} : { day: 'numeric', month: 'short' };

    return el('time', { dateTime: text, title: date.toLocaleString() },
        date.toLocaleTimeString(undefined, {
            hour: '2-digit', minute: '2-digit', second: '2-digit'
        }) + (day.day
            ? ', ' + date.toLocaleDateString(undefined, day) : ''));
}


function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));

    return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}


function pause(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}


/* ---- the API */

class Problem extends Error {
    constructor(status, body, retryAfter) {
        super(body.title ?? 'The shop cannot be reached');
        this.status = status;
        this.body = body;
        this.retryAfter = retryAfter;
    }
}


/* body is sent as JSON; key as Idempotency-Key; open is for everybody. */

async function api(method, path, { body, key, open } = {}) {
    let answer = await ask(method, path, body, key, open);

    if (answer.status === 401 && !open && state.session) {
        /* it may have been revoked before its time */
        await renew(true);
        answer = await ask(method, path, body, key, open);
    }

    return read(answer);
}


async function ask(method, path, body, key, open) {
    const headers = { Accept: 'application/json' };

    if (!open) {
        headers.Authorization = `Bearer ${await token()}`;
    }

    if (body !== undefined) {
        headers['Content-Type'] = 'application/json';
    }

    if (key) {
        headers['Idempotency-Key'] = key;
    }

    try {
        return await fetch(path, {
            method, headers, cache: 'no-store', credentials: 'omit',
            body: body === undefined ? undefined : JSON.stringify(body)
        });

    } catch {
        throw new Problem(0, {
            title: 'The shop cannot be reached',
            detail: 'Is there a connection?'
        });
    }
}


async function read(answer) {
    const text = await answer.text();
    let body = {};

    try {
        body = text === '' ? {} : JSON.parse(text);

    } catch {
        /* an answer of somebody in between */
    }

    if (!answer.ok) {
        throw new Problem(answer.status,
            body.title ? body : { title: `The shop answers ${answer.status}` },
            answer.headers.get('Retry-After'));
    }

    return body;
}


async function token() {
    if (!state.session) {
        throw new Problem(401, { title: 'Please log in' });
    }

    if (state.session.until - Date.now() < RENEW_BEFORE_MS) {
        await renew(false);
    }

    return state.session.token;
}


/* One at a time: a refresh token is good for one use. */

function renew(now) {
    state.renewal ??= exchange(now).finally(() => {
        state.renewal = null;
    });

    return state.renewal;
}


async function exchange(now) {
    const session = state.session;

    if (session.refresh) {
        /* should the answer be lost, the same key gets it once more */
        session.renewKey ??= newKey();
        save('session', session);

        try {
            keep(await read(await ask('POST', '/login/refresh',
                { refresh_token: session.refresh }, session.renewKey, true)));
            return;

        } catch (problem) {
            if (problem.status !== 401 && problem.status !== 400) {
                throw problem;
            }
        }

    } else if (!now && session.until > Date.now()) {
        return;
    }

    leave();
    throw new Problem(401, {
        title: 'Please log in again', detail: 'You were logged out.'
    });
}


function keep(answer) {
    state.session = {
        user: state.session?.user,
        token: answer.token, refresh: answer.refresh_token,
        until: Date.now() + answer.expires_in * 1000
    };
    save('session', state.session);
}


/* ---- problems */

function tell(problem, place) {
    const box = place ?? $('problem');
    const body = problem.body ?? { title: 'Something went wrong' };
    const lines = (body.errors ?? []).map((error) =>
        `${error.pointer.replace(/^\//, '').replaceAll('/', ' ')} `
        + error.detail);

    if (!problem.body) {
        console.error(problem);
    }

    const text = el('div', null, [body.title, body.detail]
        .filter(Boolean).join(': '));

    for (const line of lines) {
        text.append(el('div', null, line));
    }

    if (problem.retryAfter) {
        text.append(el('small', null,
            `Try again in ${problem.retryAfter} s.`));
    }

    if (body.instance) {
        text.append(el('small', null, `Request ${body.instance}`));
    }

    box.replaceChildren(text);

    if (!place) {
        box.append(el('button', {
            type: 'button', className: 'plain small',
            onclick: () => { box.hidden = true; }
        }, 'Close'));
    }

    box.hidden = false;
}


/* What went well, where no element shows it. */

function say(text) {
    $('said').textContent = text;
}


function quiet() {
    say('');

    for (const box of document.querySelectorAll('[role=alert]')) {
        box.hidden = true;
    }
}


/* Runs what a button does: once at a time, its problem told. */

async function act(button, work, place) {
    if (button.disabled) {
        return;
    }

    button.disabled = true;
    quiet();

    try {
        await work();

    } catch (problem) {
        tell(problem, place);

    } finally {
        button.disabled = false;
    }
}


/* ---- products */

async function search(next) {
    if (!next) {
        const form = new FormData($('search'));
        const most = Number.parseFloat(form.get('max_price'));

        state.query = { q: form.get('q').trim(), category:
            form.get('category') };
        state.query.max_price = most >= 0
            ? String(Math.round(most * 100)) : '';
    }

    const query = new URLSearchParams({ limit: PAGE });

    for (const [name, value] of Object.entries(state.query)) {
        if (value) {
            query.set(name, value);
        }
    }

    if (next) {
        query.set('cursor', state.cursor.products);
    }

    const page = await api('GET', `/products?${query}`, { open: true });
    const list = $('products');

    if (!next) {
        list.replaceChildren();
    }

    for (const product of page.products) {
        list.append(productItem(product));
        knowCategory(product.category);
    }

    state.cursor.products = page.next_cursor;
    $('more').hidden = page.next_cursor === null;
    $('found').textContent = list.childElementCount === 0
        ? 'Nothing was found.'
        : `${list.childElementCount} `
          + (list.childElementCount === 1 ? 'product' : 'products')
          + (page.next_cursor ? ', and more' : '');
}


function productItem(product) {
    const none = product.available === 0;

    return el('li', { className: 'product' },
        el('span', { className: 'kind' }, product.category),
        el('h3', null, product.name),
        el('div', { className: 'foot' },
            el('span', { className: 'price' },
                money(product.price_cents, product.currency),
                el('span', { className: 'stock' },
                    none ? 'sold out' : `${product.available} in stock`)),
            el('button', {
                type: 'button', className: 'small', disabled: none,
                ariaLabel: `Add ${product.name} to the cart`,
                onclick: () => add(product)
            }, 'Add')));
}


function knowCategory(name) {
    const select = $('category');
    const options = [...select.options];

    if (options.some((option) => option.value === name)) {
        return;
    }

    const after = options.find((option) => option.value > name);
    select.insertBefore(el('option', { value: name }, name), after ?? null);
}


/* ---- the cart */

function add(product) {
    const line = state.cart.find((other) => other.product.id === product.id);
    const currency = state.cart[0]?.product.currency ?? product.currency;

    if (currency !== product.currency) {
        tell(new Problem(0, {
            title: 'An order has one currency',
            detail: `the cart is in ${currency}`
        }));
        return;
    }

    if (line) {
        line.quantity = Math.min(line.quantity + 1, 1000);

    } else {
        state.cart.push({ product, quantity: 1 });
    }

    changed();
}


/* Another cart is another order: it gets a key of its own. */

function changed() {
    state.orderKey = null;
    save('cart', state.cart);
    showCart();
}


function cartTotal() {
    return state.cart.reduce(
        (sum, line) => sum + line.quantity * line.product.price_cents, 0);
}


function showCart() {
    const empty = state.cart.length === 0;

    $('cart-empty').hidden = !empty;
    $('cart-count').textContent = empty ? ''
        : `(${state.cart.reduce((sum, line) => sum + line.quantity, 0)})`;
    $('order').hidden = empty;
    $('order-hint').hidden = state.session !== null;

    if (!empty) {
        $('lines').replaceChildren(...state.cart.map(cartLine));
        showTotal();
    }
}


function showTotal() {
    const { currency } = state.cart[0].product;

    $('total').textContent = money(cartTotal(), currency);
    $('place').textContent = `Order for ${money(cartTotal(), currency)}`;
}


function cartLine(line) {
    const { product } = line;
    const sum = el('span', { className: 'sum' });
    const show = () => {
        sum.textContent = money(line.quantity * product.price_cents,
            product.currency);
    };

    const count = el('input', {
        type: 'number', min: 1, max: 1000, required: true,
        value: line.quantity, ariaLabel: `Quantity of ${product.name}`,
        onchange: () => {
            const wanted = Math.trunc(count.valueAsNumber) || 1;

            line.quantity = Math.min(Math.max(wanted, 1), 1000);
            count.value = line.quantity;
            state.orderKey = null;
            save('cart', state.cart);
            show();
            showTotal();
        }
    });

    show();

    return el('li', null, el('span', null, product.name), count, sum,
        el('button', {
            type: 'button', className: 'plain',
            ariaLabel: `Remove ${product.name}`,
            onclick: () => {
                state.cart = state.cart.filter((other) => other !== line);
                changed();
            }
        }, '×'));
}


async function placeOrder() {
    if (!state.session) {
        $('email').focus();
        throw new Problem(401, { title: 'Please log in first' });
    }

    /* the same cart has the same key until it is ordered, so that who tries
       again after an error does not order twice */
    state.orderKey ??= newKey();

    const order = await api('POST', '/orders', {
        key: state.orderKey,
        body: {
            currency: state.cart[0].product.currency,
            payment_method: $('payment').value,
            lines: state.cart.map((line) => ({
                product_id: line.product.id, quantity: line.quantity
            }))
        }
    });

    state.cart = [];
    changed();
    showOrder(order, true);
    $('orders').scrollIntoView({ block: 'nearest' });
    await follow(order.id);
}


/* ---- orders */

async function listOrders(next) {
    const query = new URLSearchParams({ limit: FEW });

    if (next) {
        query.set('cursor', state.cursor.orders);
    }

    const page = await api('GET', `/orders?${query}`);

    for (const order of page.orders) {
        showOrder(order, false);
    }

    state.cursor.orders = page.next_cursor;
    $('more-orders').hidden = page.next_cursor === null;
    $('orders-empty').hidden = state.orders.size > 0;

    await Promise.all([...state.orders.values()]
        .filter((entry) => !isFinal(entry.order))
        .map((entry) => follow(entry.order.id)));
}


function isFinal(order) {
    return order.status === undefined || FINAL.includes(order.status);
}


function showOrder(order, isNew) {
    let entry = state.orders.get(order.id);

    if (!entry) {
        entry = { element: el('li', { id: `order-${order.id}` }) };
        entry.isOpen = isNew;
        state.orders.set(order.id, entry);

        if (isNew) {
            $('order-list').prepend(entry.element);

        } else {
            $('order-list').append(entry.element);
        }
    }

    entry.order = { ...entry.order, ...order };
    draw(entry);
    $('orders-empty').hidden = true;
}


/* Asks for an order, its steps, and its payment as soon as a step was one. */

async function follow(id) {
    const [order, { history }] = await Promise.all([
        api('GET', `/orders/${id}`), api('GET', `/orders/${id}/history`)
    ]);

    const payment = history.some((step) => step.what.startsWith('payment.'))
        ? await api('GET', `/orders/${id}/payment`) : null;

    const entry = state.orders.get(id);

    if (entry) {
        entry.steps = history;
        entry.payment = payment;
    }

    showOrder(order, true);
    watch();
}


/* Steps that nobody notifies of are asked for, until there is no more. */

function watch() {
    clearTimeout(state.timer.steps);

    const open = [...state.orders.values()]
        .filter((entry) => entry.steps && !isFinal(entry.order));

    if (open.length === 0 || !state.session) {
        return;
    }

    state.timer.steps = setTimeout(() => {
        Promise.all(open.map((entry) => follow(entry.order.id)))
            .catch(watch);
    }, STEP_MS);
}


const STEPS = {
    'order.placed': 'Placed', 'stock.reserved': 'In stock, and held for you',
    'stock.rejected': 'Too few in stock', 'stock.released': 'No longer held',
    'payment.captured': 'Paid', 'payment.declined': 'Payment declined',
    'payment.refunded': 'Paid back', 'payment.timeout': 'Not paid in time',
    'order.confirmed': 'Confirmed', 'order.cancelled': 'Cancelled'
};

const BAD = [
    'stock.rejected', 'payment.declined', 'payment.timeout', 'order.cancelled'
];

const REASONS = {
    requested: 'as you wished', out_of_stock: 'too few in stock',
    payment_declined: 'the payment was declined', timeout: 'it took too long',
    declined: 'the bank said no', expired_card: 'the card has expired',
    error: 'the bank cannot be asked'
};

const WAITS = {
    placed: 'Looking whether it is in stock', reserved: 'Being paid',
    paid: 'Paid; looking whether it is in stock'
};


const PAYMENTS = {
    waiting: 'not asked for yet', capturing: 'being asked for',
    captured: 'paid', declined: 'declined', cancelled: 'not asked for'
};


/* Anew if something changed; who was at its button is so afterwards. */

function draw(entry) {
    const { order } = entry;
    const shown = JSON.stringify([order, entry.steps, entry.payment]);
    const focused = entry.element.contains(document.activeElement);

    if (entry.shown === shown) {
        return;
    }

    entry.shown = shown;

    const status = order.status ?? 'placed';
    const count = (order.lines ?? [])
        .map((line) => `${line.quantity} × ${line.name ?? line.product_id}`)
        .join(', ');

    const badge = el('span', { className: `badge ${status}` }, status);

    const buttons = el('div', { className: 'buttons' });

    if (!entry.steps) {
        buttons.append(el('button', {
            type: 'button', className: 'plain small',
            ariaLabel: `Details of the order over ${
                money(order.total_cents, order.currency)}`,
            onclick: (event) => act(event.currentTarget,
                () => follow(order.id))
        }, 'Details'));
    }

    if (order.status !== undefined && !isFinal(order)) {
        buttons.append(el('button', {
            type: 'button', className: 'plain small',
            onclick: (event) => act(event.currentTarget,
                () => cancel(order.id))
        }, 'Cancel the order'));
    }

    entry.element.replaceChildren(
        el('div', { className: 'head' },
            el('strong', null, money(order.total_cents, order.currency)),
            badge, clock(order.created_at)),
        ...(count ? [el('p', { className: 'what' }, count)] : []),
        ...(entry.steps ? [stepList(entry)] : []),
        ...(entry.payment ? [paymentLine(entry.payment)] : []),
        ...(buttons.childElementCount ? [buttons] : []));

    if (focused) {
        entry.element.tabIndex = -1;
        (buttons.querySelector('button') ?? entry.element).focus();
    }
}


function paymentLine(payment) {
    const back = payment.refunded_cents > 0
        ? `, ${money(payment.refunded_cents, payment.currency)} paid back`
        : '';

    return el('p', { className: 'what payment' },
        `Payment of ${money(payment.amount_cents, payment.currency)}: `
        + PAYMENTS[payment.state] + back);
}


function stepList(entry) {
    const list = el('ol', {
        className: 'steps', ariaLabel: 'Steps of the order'
    });

    for (const step of entry.steps) {
        const reason = REASONS[step.detail?.reason] ?? step.detail?.reason;

        list.append(el('li', {
            className: BAD.includes(step.what) ? 'bad' : ''
        }, el('span', null, (STEPS[step.what] ?? step.what)
            + (reason ? `: ${reason}` : '')), clock(step.at)));
    }

    if (!isFinal(entry.order)) {
        list.append(el('li', { className: 'waits' },
            WAITS[entry.order.status] ?? entry.order.status));
    }

    return list;
}


async function cancel(id) {
    await api('POST', `/orders/${id}/cancel`, { key: newKey() });
    await follow(id);
}


/* ---- notifications */

async function listTold(next) {
    const query = new URLSearchParams({ limit: FEW });

    if (next) {
        query.set('cursor', state.cursor.told);
    }

    const page = await api('GET', `/notifications?${query}`);
    const news = page.notifications.filter((n) => !state.told.has(n.id));

    if (next) {
        news.forEach((n) => showTold(n, false));

    } else {
        news.reverse().forEach((n) => showTold(n, true));
    }

    if (next || state.cursor.told === undefined) {
        state.cursor.told = page.next_cursor;
        $('more-told').hidden = page.next_cursor === null;
    }

    return news;
}


function showTold(n, isNew) {
    if (state.told.has(n.id)) {
        return;
    }

    const item = el('li', { className: n.read_at ? '' : 'unread' },
        el('h3', null, el('span', null, n.title), clock(n.created_at)),
        el('p', null, n.body));

    if (!n.read_at) {
        const button = el('button', {
            type: 'button', className: 'plain small',
            ariaLabel: `Mark as read: ${n.title}`,
            onclick: () => act(button, async () => {
                await api('POST', `/notifications/${n.id}/read`,
                    { key: newKey() });
                item.className = '';
                button.remove();
                item.tabIndex = -1;
                item.focus();
            })
        }, 'Mark as read');

        item.append(button);
    }

    state.told.set(n.id, item);

    if (isNew) {
        $('told-list').prepend(item);

    } else {
        $('told-list').append(item);
    }

    $('told-empty').hidden = true;
}


const GROUPS = {
    account: 'My account', orders: 'Orders', payments: 'Payments'
};

const CHANNELS = { inapp: 'here', email: 'by e-mail', webhook: 'by webhook' };


async function listPreferences() {
    showPreferences(await api('GET', '/notifications/preferences'));
}


/* A box for each group and channel that the service knows. */

function showPreferences({ preferences }) {
    const groups = Object.entries(preferences).map(([group, channels]) =>
        el('fieldset', null, el('legend', null, GROUPS[group] ?? group),
            ...Object.entries(channels).map(([channel, isOn]) =>
                el('label', null, el('input', {
                    type: 'checkbox', name: `${group} ${channel}`,
                    checked: isOn
                }), CHANNELS[channel] ?? channel))));

    $('groups').replaceChildren(...groups);
    $('keep').disabled = false;
}


async function keepPreferences() {
    const preferences = {};

    for (const box of $('groups').querySelectorAll('input')) {
        const [group, channel] = box.name.split(' ');

        preferences[group] ??= {};
        preferences[group][channel] = box.checked;
    }

    showPreferences(await api('PUT', '/notifications/preferences',
        { body: { preferences } }));
    say('You will be told as you wish.');
}


/* What a notification is about may have moved on. */

function react(n) {
    showTold(n, true);

    const id = n.data?.order_id;

    if (id && state.orders.has(id)) {
        follow(id).catch(tell);

    } else if (id) {
        listOrders().catch(tell);
    }
}


/* Reads the stream, for as long as somebody is logged in.  While there is
   none, or it breaks, the list is asked for instead. */

async function listen() {
    const control = new AbortController();
    let wait = state.again;

    state.stream = control;
    poll();

    while (!control.signal.aborted) {
        try {
            await readStream(control.signal, () => {
                wait = state.again;
                clearTimeout(state.timer.poll);
                live('live', true);
            });

        } catch (problem) {
            if (control.signal.aborted) {
                return;
            }

            wait = problem.status === 404 ? AGAIN_MS[1] : wait;
        }

        if (control.signal.aborted) {
            return;
        }

        live('not live', false);
        poll();
        await pause(wait * (.5 + Math.random() / 2));
        wait = Math.min(wait * 2, AGAIN_MS[1]);
    }
}


async function readStream(signal, opened) {
    const headers = {
        Accept: 'text/event-stream', Authorization: `Bearer ${await token()}`
    };

    if (state.last) {
        headers['Last-Event-ID'] = state.last;
    }

    const answer = await fetch('/notifications/stream', {
        headers, signal, cache: 'no-store', credentials: 'omit'
    });

    if (!answer.ok) {
        if (answer.status === 401) {
            await renew(true);
        }

        await read(answer);
    }

    opened();
    /* what came before the stream was there */
    listTold().catch(() => {});

    const reader = answer.body.pipeThrough(new TextDecoderStream())
        .getReader();
    let rest = '';

    for (;;) {
        const { value, done } = await reader.read();

        if (done) {
            return;
        }

        const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
        rest = lines.pop();
        lines.forEach(streamLine);
    }
}


/* A line of text/event-stream; an empty one ends an event. */

const event = { id: null, type: '', data: [] };

function streamLine(line) {
    if (line === '') {
        if (event.data.length > 0) {
            happened();
        }

        event.type = '';
        event.data = [];
        return;
    }

    const [, field, value] = line.match(/^([^:]*)(?:: ?(.*))?$/s);

    if (field === 'id') {
        event.id = value ?? '';

    } else if (field === 'event') {
        event.type = value ?? '';

    } else if (field === 'retry' && /^\d+$/.test(value)) {
        state.again = Math.min(Number(value), AGAIN_MS[1]);

    } else if (field === 'data') {
        event.data.push(value ?? '');
    }
}


function happened() {
    let told;

    state.last = event.id || state.last;

    try {
        told = JSON.parse(event.data.join('\n'));

    } catch {
        return;
    }

    if (told?.id && told.title !== undefined) {
        react(told);

    } else {
        /* something was missed, or is told in another way */
        listTold().then((news) => news.forEach(react)).catch(() => {});
    }
}


function poll() {
    clearTimeout(state.timer.poll);

    if (!state.session) {
        return;
    }

    state.timer.poll = setTimeout(async () => {
        try {
            (await listTold()).forEach(react);

        } catch {
            /* the next time */
        }

        if (!$('live').classList.contains('on')) {
            poll();
        }
    }, POLL_MS);
}


function live(text, isOn) {
    $('live').textContent = text;
    $('live').classList.toggle('on', isOn);
}


/* ---- who one is */

const FIELDS = ['email', 'name', 'password'];

/* What the form asks for; isNew: the password is one that is chosen now. */

const WAYS = {
    known: {
        title: 'Log in', enter: 'Log in', other: 'I am new here',
        fields: ['email', 'password'], work: logIn
    },
    newcomer: {
        title: 'New here', enter: 'Make an account',
        other: 'I have an account', fields: FIELDS, isNew: true,
        work: register
    },
    forgotten: {
        title: 'Password forgotten', enter: 'Send me a link',
        other: 'Back', fields: ['email'], work: askForLink
    },
    reset: {
        title: 'A new password', enter: 'Keep it', other: 'Back',
        fields: ['password'], isNew: true, work: resetPassword
    }
};

let way = 'known';

function goWay(name) {
    const it = WAYS[name];

    way = name;
    quiet();

    /* no complaint about what was asked for before */
    const [email, called] = [$('email').value, $('name').value];
    $('log-in').reset();
    $('email').value = email;
    $('name').value = called;

    for (const field of FIELDS) {
        const isThere = it.fields.includes(field);

        $(`${field}-row`).hidden = !isThere;
        $(field).required = isThere;
    }

    $('password').minLength = it.isNew ? 8 : 1;
    $('password').autocomplete = it.isNew
        ? 'new-password' : 'current-password';
    $('account-title').textContent = it.title;
    $('enter').textContent = it.enter;
    $('other-way').textContent = it.other;
    $('forgotten').hidden = name !== 'known';
}


async function logIn() {
    state.session = null;
    keep(await api('POST', '/login', {
        open: true, body: {
            email: $('email').value.trim(), password: $('password').value
        }
    }));
    $('password').value = '';
    await arrive();
    $('orders-title').focus({ preventScroll: true });
}


async function register() {
    const password = $('password').value;

    await api('POST', '/users', {
        open: true, body: {
            email: $('email').value.trim(), name: $('name').value, password
        }
    });
    goWay('known');
    $('password').value = password;
    await logIn();
}


/* The answer is the same whoever has the address, and so is what is said. */

async function askForLink() {
    const email = $('email').value.trim();

    await api('POST', '/password/reset', { open: true, body: { email } });
    goWay('known');
    say(`If ${email} has an account here, a letter with a link is on its way.`);
}


/* Links are good once, and for a while; who comes too late is told so. */

async function useLink(path, body) {
    try {
        await api('POST', path, { open: true, body });

    } catch (problem) {
        if (problem.body?.errors?.some((e) => e.pointer === '/token')) {
            throw new Problem(problem.status, {
                title: 'This link is not good any more',
                detail: 'please ask for another one',
                instance: problem.body.instance
            });
        }

        throw problem;
    }
}


async function resetPassword() {
    await useLink('/password/reset/confirm', {
        token: state.secret, password: $('password').value
    });
    state.secret = null;
    goWay('known');
    say('Your password is changed. Please log in with it.');
    $('email').focus();
}


async function verify(secret) {
    await useLink('/email/verify', { token: secret });

    if (state.session) {
        await knowWho();
    }

    say('Thank you: your e-mail address is verified.');
}


/* Links of letters have a secret behind "#"; it does not stay there, where
   others may see it, or go back to it. */

async function openLink() {
    const [, what, secret] = location.hash
        .match(/^#(verify|reset|forgotten)(?:=(.*))?$/) ?? [];

    if (!what) {
        return;
    }

    history.replaceState(null, '', location.pathname);
    quiet();

    if (what === 'verify') {
        await verify(secret ?? '');
        return;
    }

    if (state.session) {
        await logOut();
    }

    state.secret = secret;
    goWay(what);
    $('account').scrollIntoView({ block: 'nearest' });
    $(WAYS[what].fields[0]).focus();
}


async function letterAgain() {
    const { email } = state.session.user;

    await api('POST', '/users/me/email/verify', { key: newKey() });
    say(`A letter is on its way to ${email}.`);
}


async function knowWho() {
    const user = await api('GET', '/users/me');

    state.session.user = {
        id: user.id, name: user.name, email: user.pending_email ?? user.email,
        isVerified: user.email_verified && !user.pending_email
    };
    save('session', state.session);
    showWho();
}


async function arrive() {
    await knowWho();
    showCart();
    live('', false);
    listen();
    await Promise.all([listOrders(), listTold()]);
}


function showWho() {
    const user = state.session?.user;

    $('account').hidden = Boolean(user);
    $('to-account').hidden = Boolean(user);
    $('orders').hidden = !user;
    $('told').hidden = !user;
    $('who').hidden = !user;
    $('log-out').hidden = !user;
    $('who').textContent = user ? user.name : '';
    $('unverified').hidden = !user || user.isVerified;
    $('address').textContent = user?.email ?? '';
}


/* Forgets the person; the cart stays. */

function leave() {
    state.stream?.abort();
    Object.values(state.timer).forEach(clearTimeout);
    state.session = null;
    state.last = null;
    state.cursor.orders = state.cursor.told = undefined;
    state.orders.clear();
    state.told.clear();
    $('order-list').replaceChildren();
    $('told-list').replaceChildren();
    $('choice').open = false;
    $('groups').replaceChildren();
    $('keep').disabled = true;
    $('orders-empty').hidden = $('told-empty').hidden = false;

    try {
        sessionStorage.removeItem('session');

    } catch {
        /* it was not kept */
    }

    showWho();
    showCart();
}


async function logOut() {
    const refresh = state.session?.refresh;

    try {
        if (refresh) {
            await api('POST', '/logout', {
                open: true, body: { refresh_token: refresh }
            });
        }

    } finally {
        leave();
        $('to-account').focus();
    }
}


/* ---- begin */

function onSubmit(id, button, work) {
    $(id).addEventListener('submit', (event) => {
        event.preventDefault();
        act($(button), work, $(id).querySelector('.error'));
    });
}


function begin() {
    const go = $('search').querySelector('button');

    $('search').addEventListener('submit', (event) => {
        event.preventDefault();
        act(go, () => search(false));
    });
    $('category').addEventListener('change', () => act(go,
        () => search(false)));

    onSubmit('log-in', 'enter', () => WAYS[way].work());
    onSubmit('order', 'place', placeOrder);
    onSubmit('preferences', 'keep', keepPreferences);
    $('choice').addEventListener('toggle', () => {
        if ($('choice').open && state.session) {
            listPreferences().catch((problem) => tell(problem,
                $('preferences').querySelector('.error')));
        }
    });

    $('other-way').addEventListener('click', () => goWay(
        way === 'known' ? 'newcomer' : 'known'));
    $('forgotten').addEventListener('click', () => {
        goWay('forgotten');
        $('email').focus();
    });
    $('letter-again').addEventListener('click', () => act($('letter-again'),
        letterAgain));
    window.addEventListener('hashchange', () => openLink().catch(tell));
    $('more').addEventListener('click', () => act($('more'),
        () => search(true)));
    $('more-orders').addEventListener('click', () => act($('more-orders'),
        () => listOrders(true)));
    $('more-told').addEventListener('click', () => act($('more-told'),
        () => listTold(true)));
    $('log-out').addEventListener('click', () => act($('log-out'), logOut));

    showWho();
    showCart();
    search(false).catch(tell);

    const arrival = state.session ? arrive().catch(tell) : Promise.resolve();

    arrival.then(openLink).catch(tell);
}


begin();
