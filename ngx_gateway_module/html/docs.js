/*
 * Copyright (C) the Warren authors
 *
 * The reference of the HTTP API, made of openapi.json.
 */

'use strict';


const VERBS = ['get', 'post', 'put', 'patch', 'delete'];

/* levels of members that a table shows; deeper ones have a name to look up */
const DEPTH = 4;

let api;


function el(tag, className, ...children) {
    const element = document.createElement(tag);

    if (className) {
        element.className = className;
    }

    element.append(...children.filter((child) => child != null));

    return element;
}


/* What a reference means; siblings of "$ref" are added to it. */

function resolve(thing) {
    if (thing?.$ref === undefined) {
        return thing;
    }

    const { $ref, ...rest } = thing;
    const there = $ref.slice(2).split('/')
        .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
        .reduce((node, name) => node[name], api);

    return { ...resolve(there), ...rest };
}


/* Text with `code`, **strong** and paragraphs, as nodes. */

function prose(text) {
    const parts = [];

    for (const paragraph of (text ?? '').split(/\n\n+/).filter(Boolean)) {
        parts.push(el('p', null, ...inline(paragraph)));
    }

    return parts;
}


function inline(text) {
    return (text ?? '').split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
        if (/^`.+`$/.test(part)) {
            return el('code', null, part.slice(1, -1));
        }

        if (/^\*\*.+\*\*$/.test(part)) {
            return el('strong', null, part.slice(2, -2));
        }

        return part;
    });
}


/* A schema's type and bounds in a few words. */

function words(schema) {
    const s = resolve(schema);
    const said = [];

    if (s.const !== undefined) {
        return JSON.stringify(s.const);
    }

    if (s.enum) {
        return s.enum.map((value) => JSON.stringify(value)).join(' | ');
    }

    if (s.oneOf) {
        return s.oneOf.map(words).join(' | ');
    }

    let type = [s.type ?? 'anything'].flat().join(' | ');

    if (s.type === 'array') {
        type = `array of ${words(s.items ?? {})}`;
    }

    if (s.format) {
        said.push(s.format);
    }

    if (s.minimum !== undefined || s.maximum !== undefined) {
        said.push(`${s.minimum ?? '…'} to ${s.maximum ?? '…'}`);
    }

    if (s.minLength !== undefined || s.maxLength !== undefined) {
        said.push(`${s.minLength ?? 0} to ${s.maxLength ?? '…'} characters`);
    }

    if (s.minItems !== undefined || s.maxItems !== undefined) {
        said.push(`${s.minItems ?? 0} to ${s.maxItems ?? '…'} of them`);
    }

    if (s.pattern && !s.format) {
        said.push(s.pattern);
    }

    if (s.default !== undefined) {
        said.push(`${JSON.stringify(s.default)} unless told`);
    }

    return [type, ...said].join(', ');
}


/* Rows of a schema's members, those of its members below them. */

function members(schema, prefix, depth) {
    const s = resolve(schema);

    if (depth > DEPTH) {
        return [];
    }

    if (s.type === 'array') {
        return members(s.items ?? {}, `${prefix}[]`, depth);
    }

    const rows = [];

    for (const [name, member] of Object.entries(s.properties ?? {})) {
        const full = prefix ? `${prefix}.${name}` : name;
        const m = resolve(member);

        rows.push([full, words(member)
            + (s.required?.includes(name) ? '' : ', may be absent'),
            m.description]);
        rows.push(...members(member, full, depth + 1));
    }

    return rows;
}


function table(rows) {
    const body = el('tbody');

    for (const [name, type, description] of rows) {
        body.append(el('tr', null, el('td', null, el('code', null, name)),
            el('td', 'short', ...inline(type)),
            el('td', null, ...inline(description))));
    }

    return el('div', 'scroll', el('table', null, body));
}


/* A body: its type, its members, an example. */

function content(kinds) {
    const parts = [];

    for (const [type, { schema, example }] of Object.entries(kinds ?? {})) {
        const rows = members(schema ?? {}, '', 1);

        parts.push(el('p', 'short', el('code', null, type)));

        if (rows.length > 0) {
            parts.push(table(rows));
        }

        if (example !== undefined) {
            parts.push(el('pre', null, typeof example === 'string'
                ? example : JSON.stringify(example, null, 2)));
        }
    }

    return parts;
}


function responses(operation) {
    const parts = [];
    const others = [];

    for (const [status, response] of Object.entries(operation.responses)) {
        const r = resolve(response);

        if (Number(status) >= 400) {
            others.push([status, r.description,
                Object.keys(r.headers ?? {})
                    .filter((name) => !/^(?:X-Request|RateLimit)/.test(name))
                    .map((name) => `\`${name}\``).join(', ')]);
            continue;
        }

        parts.push(el('h3', null, `${status}`), ...prose(r.description),
            ...content(r.content));

        const headers = Object.entries(r.headers ?? {})
            .map(([name, header]) => [name, words(resolve(header).schema),
                resolve(header).description]);

        if (headers.length > 0) {
            parts.push(el('details', null, el('summary', null, 'Headers'),
                el('div', 'inside', table(headers))));
        }
    }

    if (others.length > 0) {
        parts.push(el('h3', null, 'Problems'), table(others));
    }

    return parts;
}


function who(operation) {
    const needs = operation.security ?? api.security;

    if (needs.length === 0) {
        return 'For everybody.';
    }

    const scopes = needs.flatMap((need) => need.token ?? []);
    const words = needs.some((need) => Object.keys(need).length === 0)
        ? 'For everybody, with or without a token.'
        : 'With a token.';

    return scopes.length === 0 ? words
        : `With a token of the scope ${scopes.map((s) => `\`${s}\``)
            .join(', ')}.`;
}


/* The request for a terminal, whose variables are a token and an id. */

function command(path, method, operation, body) {
    const needs = operation.security ?? api.security;
    const example = body?.content['application/json']?.example;
    const words = ['curl -sS'];

    if (method !== (example === undefined ? 'get' : 'post')) {
        words.push(`-X ${method.toUpperCase()}`);
    }

    words.push(`"${location.origin}${path.replace(/\{(\w+)\}/g, '$$$1')}"`);

    if (needs.some((need) => need.token)) {
        words.push('-H "Authorization: Bearer $token"');
    }

    if (example !== undefined) {
        const text = JSON.stringify(example).replaceAll("'", "'\\''");

        words.push(`--json '${text}'`);
    }

    return el('pre', null, words.join(' \\\n    '));
}


function operationItem(path, method, item) {
    const operation = item[method];
    const parameters = [...(item.parameters ?? []),
        ...(operation.parameters ?? [])].map(resolve);
    const body = resolve(operation.requestBody);

    const inside = el('div', 'inside', ...prose(operation.description),
        el('p', null, ...inline(who(operation))));

    if (parameters.length > 0) {
        inside.append(el('h3', null, 'Parameters'),
            table(parameters.map((p) => [p.name,
                `${p.in}, ${words(p.schema)}`, p.description])));
    }

    if (body) {
        inside.append(el('h3', null, 'Body'), ...content(body.content));
    }

    inside.append(el('h3', null, 'In a terminal'),
        command(path, method, operation, body), ...responses(operation));

    const details = el('details', null,
        el('summary', null, el('span', `verb ${method}`,
            method.toUpperCase()),
        el('code', 'path', path),
        el('span', 'short', operation.summary)), inside);

    details.id = operation.operationId;

    return details;
}


function show() {
    const main = document.getElementById('docs');
    const lead = el('div', null, ...prose(api.info.description));

    main.replaceChildren(
        el('h1', null, api.info.title),
        el('p', 'quiet', `OpenAPI ${api.openapi}, version `
            + api.info.version), lead);

    for (const tag of api.tags) {
        main.append(el('h2', null, tag.name),
            el('p', 'quiet', ...inline(tag.description)));

        for (const [path, item] of Object.entries(api.paths)) {
            for (const verb of VERBS) {
                if (item[verb]?.tags.includes(tag.name)) {
                    main.append(operationItem(path, verb, item));
                }
            }
        }
    }

    main.setAttribute('aria-busy', 'false');
    open();
}


/* The operation that the address names. */

function open() {
    const details = document.getElementById(location.hash.slice(1));

    if (details instanceof HTMLDetailsElement) {
        details.open = true;
        details.scrollIntoView();
    }
}


async function begin() {
    try {
        const answer = await fetch('/openapi.json', { credentials: 'omit' });

        if (!answer.ok) {
            throw new Error(`openapi.json: ${answer.status}`);
        }

        api = await answer.json();
        show();

    } catch (error) {
        const box = el('p', 'problem', String(error.message));

        box.setAttribute('role', 'alert');
        document.getElementById('docs').replaceChildren(box);
    }
}


addEventListener('hashchange', open);
begin();
