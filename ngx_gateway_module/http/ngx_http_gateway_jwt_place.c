/*
 * Copyright (C) the Warren authors
 *
 * Finds the token of a request.  What browsers send by themselves, a cookie,
 * is only taken from a page of this site where a request may change something.
 */

#include "ngx_http_gateway_jwt_place.h"


static ngx_int_t ngx_http_gateway_jwt_bearer(ngx_http_request_t *r,
    ngx_str_t *text, const char **reason);
static ngx_int_t ngx_http_gateway_jwt_cookie(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *text, const char **reason);
static ngx_int_t ngx_http_gateway_jwt_cookie_in(ngx_str_t *header,
    const ngx_str_t *name, ngx_str_t *text, const char **reason);
static ngx_int_t ngx_http_gateway_jwt_variable(ngx_http_request_t *r,
    ngx_int_t index, ngx_str_t *text);
static ngx_uint_t ngx_http_gateway_jwt_is_ours(ngx_http_request_t *r,
    const ngx_array_t *origins);
static ngx_uint_t ngx_http_gateway_jwt_is_own(ngx_http_request_t *r,
    ngx_str_t *origin);
static ngx_int_t ngx_http_gateway_jwt_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static char *ngx_http_gateway_jwt_place(ngx_conf_t *cf,
    ngx_http_gateway_jwt_places_t *places, ngx_str_t *value);
static char *ngx_http_gateway_jwt_origin(ngx_conf_t *cf,
    ngx_http_gateway_jwt_places_t *places, ngx_str_t *value);


ngx_int_t
ngx_http_gateway_jwt_find(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_places_t *places, ngx_str_t *text_r,
    const char **reason_r)
{
    ngx_int_t                            rc;
    ngx_uint_t                           i;
    const ngx_http_gateway_jwt_place_t  *place;

    if (places == NULL) {
        return ngx_http_gateway_jwt_bearer(r, text_r, reason_r);
    }

    rc = NGX_DECLINED;
    place = places->places.elts;

    for (i = 0; i < places->places.nelts && rc == NGX_DECLINED; i++) {

        switch (place[i].kind) {

        case NGX_HTTP_GATEWAY_JWT_BEARER:
            rc = ngx_http_gateway_jwt_bearer(r, text_r, reason_r);
            break;

        case NGX_HTTP_GATEWAY_JWT_COOKIE:
            rc = ngx_http_gateway_jwt_cookie(r, &place[i].name, text_r,
                                             reason_r);

            if (rc == NGX_OK
                && !ngx_http_gateway_jwt_is_ours(r, &places->origins))
            {
                *reason_r = "the cookie may have been sent by another site";
                return NGX_HTTP_FORBIDDEN;
            }

            break;

        default: /* NGX_HTTP_GATEWAY_JWT_VARIABLE */
            rc = ngx_http_gateway_jwt_variable(r, place[i].index, text_r);
            break;
        }
    }

    return rc;
}


/*
 * NGX_OK and the token, NGX_DECLINED if the request has none (another scheme
 * is none), NGX_ABORT with a reason if it cannot be told which it is.
 */

static ngx_int_t
ngx_http_gateway_jwt_bearer(ngx_http_request_t *r, ngx_str_t *text,
    const char **reason)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   value;

    rc = ngx_http_gateway_jwt_header(r, "authorization", &value);

    if (rc == NGX_ABORT) {
        *reason = "there are several Authorization headers";
        return NGX_ABORT;
    }

    if (rc == NGX_DECLINED || value.len < sizeof("Bearer") - 1
        || ngx_strncasecmp(value.data, (u_char *) "Bearer",
                           sizeof("Bearer") - 1)
           != 0)
    {
        return NGX_DECLINED;
    }

    p = value.data + sizeof("Bearer") - 1;
    last = value.data + value.len;

    if (p < last && *p != ' ') {
        return NGX_DECLINED;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last) {
        *reason = "the token is empty";
        return NGX_ABORT;
    }

    text->data = p;
    text->len = last - p;

    return NGX_OK;
}


/*
 * Names of cookies have case.  One that is there twice may have been put there
 * by a neighbouring domain, and nobody can tell which one.
 */

static ngx_int_t
ngx_http_gateway_jwt_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *text, const char **reason)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;
    ngx_str_null(text);

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        /* HTTP/2 may send one header for each cookie */

        if (h[i].key.len != sizeof("cookie") - 1
            || ngx_strncasecmp(h[i].key.data, (u_char *) "cookie",
                               sizeof("cookie") - 1)
               != 0)
        {
            continue;
        }

        rc = ngx_http_gateway_jwt_cookie_in(&h[i].value, name, text, reason);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return text->data != NULL ? NGX_OK : NGX_DECLINED;
}


/* NGX_OK, or NGX_ABORT if there is a second one; text is set by the first */

static ngx_int_t
ngx_http_gateway_jwt_cookie_in(ngx_str_t *header, const ngx_str_t *name,
    ngx_str_t *text, const char **reason)
{
    u_char  *p, *last, *end, *value;

    p = header->data;
    last = header->data + header->len;

    while (p < last) {

        while (p < last && (*p == ' ' || *p == ';')) {
            p++;
        }

        end = ngx_strlchr(p, last, ';');
        if (end == NULL) {
            end = last;
        }

        value = p + name->len + 1;

        if (value > end || value[-1] != '='
            || ngx_strncmp(p, name->data, name->len) != 0)
        {
            p = end;
            continue;
        }

        if (text->data != NULL) {
            *reason = "there are several cookies of that name";
            return NGX_ABORT;
        }

        p = end;

        while (end > value && end[-1] == ' ') {
            end--;
        }

        if (end - value >= 2 && *value == '"' && end[-1] == '"') {
            value++;
            end--;
        }

        /* emptied on logging out: there is none */

        if (end > value) {
            text->data = value;
            text->len = end - value;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_variable(ngx_http_request_t *r, ngx_int_t index,
    ngx_str_t *text)
{
    ngx_http_variable_value_t  *v;

    v = ngx_http_get_flushed_variable(r, index);

    if (v == NULL || v->not_found || v->len == 0) {
        return NGX_DECLINED;
    }

    text->data = v->data;
    text->len = v->len;

    return NGX_OK;
}


/*
 * Whether a request with a cookie may be believed to be meant: one that can
 * change nothing, or one that a page of this site or of a listed origin sent.
 * Sec-Fetch-Site is a browser's own word; pages cannot set it.
 */

static ngx_uint_t
ngx_http_gateway_jwt_is_ours(ngx_http_request_t *r, const ngx_array_t *origins)
{
    ngx_int_t    rc;
    ngx_str_t    value, *origin;
    ngx_uint_t   i;

    /* a WebSocket begins with GET, and is no safe thing */

    if ((r->main->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS))
        && ngx_http_gateway_jwt_header(r, "upgrade", &value) == NGX_DECLINED)
    {
        return 1;
    }

    rc = ngx_http_gateway_jwt_header(r, "origin", &value);

    if (rc == NGX_OK) {

        if (ngx_http_gateway_jwt_is_own(r, &value)) {
            return 1;
        }

        origin = origins->elts;

        for (i = 0; i < origins->nelts; i++) {
            if (origin[i].len == value.len
                && ngx_strncasecmp(origin[i].data, value.data, value.len) == 0)
            {
                return 1;
            }
        }

        return 0;
    }

    if (rc == NGX_ABORT) {
        return 0;
    }

    rc = ngx_http_gateway_jwt_header(r, "sec-fetch-site", &value);

    return rc == NGX_OK && value.len == sizeof("same-origin") - 1
           && ngx_strncmp(value.data, "same-origin",
                          sizeof("same-origin") - 1)
              == 0;
}


/*
 * Whether an origin is the host that was asked.  A proxy in front may have
 * taken TLS off, so "https" is believed on a plain connection too, and "http"
 * only there.
 */

static ngx_uint_t
ngx_http_gateway_jwt_is_own(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        is_plain;
    ngx_table_elt_t  *host;

    p = origin->data;
    len = origin->len;

    is_plain = 1;

#if (NGX_HTTP_SSL)
    is_plain = (r->connection->ssl == NULL);
#endif

    if (len > sizeof("https://") - 1
        && ngx_strncasecmp(p, (u_char *) "https://", sizeof("https://") - 1)
           == 0)
    {
        p += sizeof("https://") - 1;
        len -= sizeof("https://") - 1;

    } else if (is_plain && len > sizeof("http://") - 1
               && ngx_strncasecmp(p, (u_char *) "http://",
                                  sizeof("http://") - 1)
                  == 0)
    {
        p += sizeof("http://") - 1;
        len -= sizeof("http://") - 1;

    } else {
        return 0;
    }

    /* with its port, as the client sent it; nginx also sets it in HTTP/2 */

    host = r->headers_in.host;

    return host != NULL && host->value.len == len
           && ngx_strncasecmp(p, host->value.data, len) == 0;
}


/* the only header of that name; NGX_DECLINED: none, NGX_ABORT: several */

static ngx_int_t
ngx_http_gateway_jwt_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    size_t            len;
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    rc = NGX_DECLINED;
    len = ngx_strlen(name);
    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != len
            || ngx_strncasecmp(h[i].key.data, (u_char *) name, len) != 0)
        {
            continue;
        }

        if (rc == NGX_OK) {
            return NGX_ABORT;
        }

        *value = h[i].value;
        rc = NGX_OK;
    }

    return rc;
}


char *
ngx_http_gateway_jwt_places(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                            *rv;
    ngx_str_t                       *value;
    ngx_uint_t                       i, n;
    ngx_http_gateway_jwt_place_t    *place;
    ngx_http_gateway_jwt_places_t   *places, **slot;

    slot = (ngx_http_gateway_jwt_places_t **) (p + cmd->offset);

    if (*slot != NGX_CONF_UNSET_PTR) {
        return "is duplicate, name all places in one";
    }

    places = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_places_t));

    if (places == NULL
        || ngx_array_init(&places->places, cf->pool, 2,
                          sizeof(ngx_http_gateway_jwt_place_t))
           != NGX_OK
        || ngx_array_init(&places->origins, cf->pool, 1, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "origin=", 7) == 0) {
            rv = ngx_http_gateway_jwt_origin(cf, places, &value[i]);

        } else {
            rv = ngx_http_gateway_jwt_place(cf, places, &value[i]);
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (places->places.nelts == 0) {
        return "names no place, it must be bearer, cookie=NAME or a variable";
    }

    place = places->places.elts;
    n = 0;

    for (i = 0; i < places->places.nelts; i++) {
        n += place[i].kind == NGX_HTTP_GATEWAY_JWT_COOKIE;
    }

    if (places->origins.nelts != 0 && n == 0) {
        return "has an origin without a cookie, of which alone it is";
    }

    *slot = places;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_jwt_place(ngx_conf_t *cf,
    ngx_http_gateway_jwt_places_t *places, ngx_str_t *value)
{
    size_t                         i;
    ngx_str_t                      name;
    ngx_http_gateway_jwt_place_t  *place;

    place = ngx_array_push(&places->places);
    if (place == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(place, sizeof(ngx_http_gateway_jwt_place_t));

    if (ngx_strcmp(value->data, "bearer") == 0) {
        place->kind = NGX_HTTP_GATEWAY_JWT_BEARER;
        return NGX_CONF_OK;
    }

    if (value->len > 7 && ngx_strncmp(value->data, "cookie=", 7) == 0) {
        place->kind = NGX_HTTP_GATEWAY_JWT_COOKIE;
        place->name.data = value->data + 7;
        place->name.len = value->len - 7;

        for (i = 0; i < place->name.len; i++) {
            if (place->name.data[i] <= ' ' || place->name.data[i] >= 0x7f
                || ngx_strchr("=;,\"$\\", place->name.data[i]) != NULL)
            {
                return "has a cookie of a name that cookies cannot have";
            }
        }

        return NGX_CONF_OK;
    }

    if (value->len < 2 || value->data[0] != '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no place of a token, it must be bearer, "
                           "cookie=NAME or a variable", value);
        return NGX_CONF_ERROR;
    }

    name.data = value->data + 1;
    name.len = value->len - 1;

    if (ngx_strncmp(name.data, "cookie_", 7) == 0
        || ngx_strcmp(name.data, "http_cookie") == 0)
    {
        return "must name a cookie as cookie=NAME, so that requests of other "
               "sites are told apart";
    }

    if (ngx_strncmp(name.data, "gateway_jwt_", 12) == 0) {
        return "cannot take the token from the token";
    }

    place->kind = NGX_HTTP_GATEWAY_JWT_VARIABLE;
    place->index = ngx_http_get_variable_index(cf, &name);

    return place->index != NGX_ERROR ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_jwt_origin(ngx_conf_t *cf,
    ngx_http_gateway_jwt_places_t *places, ngx_str_t *value)
{
    u_char     *p;
    size_t      n;
    ngx_str_t  *origin;

    origin = ngx_array_push(&places->origins);
    if (origin == NULL) {
        return NGX_CONF_ERROR;
    }

    origin->data = value->data + 7;
    origin->len = value->len - 7;

    if (ngx_strncmp(origin->data, "https://", 8) == 0) {
        n = 8;

    } else if (ngx_strncmp(origin->data, "http://", 7) == 0) {
        n = 7;

    } else {
        n = 0;
    }

    for (p = origin->data + n; n != 0 && *p; p++) {
        if (*p <= ' ' || *p == '/' || *p == '*' || *p == '$') {
            n = 0;
            break;
        }
    }

    if (n == 0 || origin->len == n) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid origin \"%V\", write it as "
                           "https://HOST[:PORT]", origin);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
