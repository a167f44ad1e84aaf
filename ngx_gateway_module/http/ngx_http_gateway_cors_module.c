/*
 * Copyright (C) the Warren authors
 *
 * Which sites a browser may let call (the Fetch standard's CORS): preflights
 * are answered before the token, and every answer is decorated, errors too.
 */

#include "ngx_http_gateway_private.h"


/* browsers keep the answer to a preflight no longer, seconds */
#define NGX_HTTP_GATEWAY_CORS_MAX_AGE  86400

/* what a client of the gateway sends, and what it is to see */
#define NGX_HTTP_GATEWAY_CORS_HEADERS                                         \
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, " \
    "X-Request-Id, traceparent, tracestate"
#define NGX_HTTP_GATEWAY_CORS_EXPOSE                                          \
    "Deprecation, ETag, Link, Location, RateLimit, RateLimit-Policy, "        \
    "Retry-After, Sunset, WWW-Authenticate, X-Request-Id"


typedef struct {
    ngx_str_t                    text;    /* as written */
    ngx_str_t                    scheme;  /* "https://", of a pattern */
    ngx_str_t                    suffix;  /* ".example.com:8443", of one */
} ngx_http_gateway_cors_origin_t;


/* one gateway_cors, shared by the levels below */

typedef struct {
    ngx_array_t                  origins; /* of ..._cors_origin_t */
    ngx_str_t                    max_age; /* empty: none */
    ngx_str_t                    methods; /* empty: those of the routes */
    ngx_str_t                    headers;
    ngx_str_t                    expose;
    unsigned                     is_off:1;
    unsigned                     is_any:1;
    unsigned                     has_credentials:1;
} ngx_http_gateway_cors_t;


typedef struct {
    ngx_http_gateway_cors_t     *cors;    /* NULL: not set */
} ngx_http_gateway_cors_loc_conf_t;


static void *ngx_http_gateway_cors_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_cors_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_gateway_cors_init(ngx_conf_t *cf);
static char *ngx_http_gateway_cors(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_cors_option(ngx_conf_t *cf,
    ngx_http_gateway_cors_t *cors, ngx_str_t *value);
static char *ngx_http_gateway_cors_max_age(ngx_conf_t *cf,
    ngx_http_gateway_cors_t *cors, ngx_str_t *value);
static char *ngx_http_gateway_cors_list(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *known, ngx_str_t *list_r);
static char *ngx_http_gateway_cors_origin(ngx_conf_t *cf,
    ngx_http_gateway_cors_t *cors, ngx_str_t *value);
static char *ngx_http_gateway_cors_origin_parse(
    ngx_http_gateway_cors_origin_t *origin);
static const ngx_http_gateway_cors_t *ngx_http_gateway_cors_policy(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_gateway_cors_is_allowed(
    const ngx_http_gateway_cors_t *cors, ngx_str_t *origin);
static ngx_int_t ngx_http_gateway_cors_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_cors_join(ngx_http_request_t *r, char *name,
    const ngx_str_t *list, const ngx_str_t *more);
static ngx_int_t ngx_http_gateway_cors_put(ngx_http_request_t *r, char *name,
    ngx_str_t *value);


static ngx_command_t  ngx_http_gateway_cors_commands[] = {

    { ngx_string("gateway_cors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_cors,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_cors_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_cors_init,            /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_cors_create_loc_conf, /* create location configuration */
    ngx_http_gateway_cors_merge_loc_conf   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_cors_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_cors_module_ctx,     /* module context */
    ngx_http_gateway_cors_commands,        /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


ngx_uint_t
ngx_http_gateway_cors_is_preflight(ngx_http_request_t *r)
{
    ngx_str_t                          value;
    ngx_http_gateway_cors_loc_conf_t  *clcf;

    if (r->method != NGX_HTTP_OPTIONS || r != r->main) {
        return 0;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_cors_module);

    return clcf->cors && !clcf->cors->is_off
           && ngx_http_gateway_header_in(r, "origin", &value) == NGX_OK
           && ngx_http_gateway_header_in(r, "access-control-request-method",
                                         &value)
              == NGX_OK;
}


ngx_uint_t
ngx_http_gateway_cors_is_on(ngx_http_request_t *r)
{
    ngx_http_gateway_cors_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_cors_module);

    return clcf->cors && !clcf->cors->is_off;
}


/* what is written here depends on the location alone; the filter adds whom */

ngx_int_t
ngx_http_gateway_cors_preflight(ngx_http_request_t *r)
{
    ngx_int_t                             rc;
    ngx_str_t                             origin, methods, request, response;
    const ngx_http_gateway_cors_t        *cors;
    ngx_http_gateway_loc_conf_t          *glcf;
    ngx_http_gateway_cors_loc_conf_t     *clcf;

    static ngx_str_t  detail = ngx_string("this origin may not call");
    static ngx_str_t  usual = ngx_string("GET, HEAD, POST");
    static ngx_str_t  vary = ngx_string("Access-Control-Request-Method, "
                                        "Access-Control-Request-Headers");

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_cors_module);
    cors = clcf->cors;

    if (ngx_http_gateway_header_in(r, "origin", &origin) != NGX_OK
        || !ngx_http_gateway_cors_is_allowed(cors, &origin))
    {
        return ngx_http_gateway_refuse(r, WIRE_ERROR_FORBIDDEN, &detail);
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_route_module);

    ngx_http_gateway_headers_lists(r, &request, &response);

    methods = cors->methods.len ? cors->methods
                                : glcf->allow.len ? glcf->allow : usual;

    if (ngx_http_gateway_cors_put(r, "Access-Control-Allow-Methods", &methods)
        != NGX_OK
        || ngx_http_gateway_cors_join(r, "Access-Control-Allow-Headers",
                                      &cors->headers, &request)
           != NGX_OK
        || ngx_http_gateway_cors_put(r, "Vary", &vary) != NGX_OK
        || (cors->max_age.len
            && ngx_http_gateway_cors_put(r, "Access-Control-Max-Age",
                                         (ngx_str_t *) &cors->max_age)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    ngx_http_finalize_request(r, ngx_http_send_header(r));

    return NGX_DONE;
}


/* of the location, or of the one where the request came in */

static const ngx_http_gateway_cors_t *
ngx_http_gateway_cors_policy(ngx_http_request_t *r)
{
    ngx_http_gateway_cors_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_cors_module);

    if (clcf->cors == NULL && r->internal) {
        clcf = ngx_http_gateway_trail_home_conf(r,
                                               &ngx_http_gateway_cors_module);
    }

    if (clcf == NULL || clcf->cors == NULL || clcf->cors->is_off) {
        return NULL;
    }

    return clcf->cors;
}


static ngx_uint_t
ngx_http_gateway_cors_is_allowed(const ngx_http_gateway_cors_t *cors,
    ngx_str_t *origin)
{
    u_char                                 ch;
    size_t                                 i, len;
    ngx_uint_t                             n;
    const ngx_http_gateway_cors_origin_t  *known;

    if (cors->is_any) {
        return 1;
    }

    known = cors->origins.elts;

    for (n = 0; n < cors->origins.nelts; n++) {

        if (known[n].suffix.len == 0) {
            if (known[n].text.len == origin->len
                && ngx_memcmp(known[n].text.data, origin->data, origin->len)
                   == 0)
            {
                return 1;
            }

            continue;
        }

        len = known[n].scheme.len + known[n].suffix.len;

        if (origin->len <= len
            || ngx_memcmp(origin->data, known[n].scheme.data,
                          known[n].scheme.len)
               != 0
            || ngx_memcmp(origin->data + origin->len - known[n].suffix.len,
                          known[n].suffix.data, known[n].suffix.len)
               != 0)
        {
            continue;
        }

        /* the rest must be a host, not a host, a port and a path */

        for (i = known[n].scheme.len;
             i < origin->len - known[n].suffix.len;
             i++)
        {
            ch = origin->data[i];

            if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
                  || ch == '-' || ch == '.'))
            {
                break;
            }
        }

        if (i == origin->len - known[n].suffix.len) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_gateway_cors_header_filter(ngx_http_request_t *r)
{
    ngx_str_t                       origin, request, response;
    const ngx_http_gateway_cors_t  *cors;

    static ngx_str_t  any = ngx_string("*");
    static ngx_str_t  yes = ngx_string("true");
    static ngx_str_t  vary = ngx_string("Origin");

    cors = r == r->main ? ngx_http_gateway_cors_policy(r) : NULL;

    /* what proxy_pass brings may have its own: two are worse than none */

    if (cors == NULL
        || ngx_http_gateway_header_is_out(r, "Access-Control-Allow-Origin"))
    {
        return ngx_http_next_header_filter(r);
    }

    /* a cache must not give to one what was made for another */

    if (!cors->is_any
        && ngx_http_gateway_cors_put(r, "Vary", &vary) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_gateway_header_in(r, "origin", &origin) != NGX_OK
        || !ngx_http_gateway_cors_is_allowed(cors, &origin))
    {
        return ngx_http_next_header_filter(r);
    }

    ngx_http_gateway_headers_lists(r, &request, &response);

    if (ngx_http_gateway_cors_put(r, "Access-Control-Allow-Origin",
                                  cors->is_any ? &any : &origin)
        != NGX_OK
        || ngx_http_gateway_cors_join(r, "Access-Control-Expose-Headers",
                                      &cors->expose, &response)
           != NGX_OK
        || (cors->has_credentials
            && ngx_http_gateway_cors_put(r, "Access-Control-Allow-Credentials",
                                         &yes)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_gateway_cors_join(ngx_http_request_t *r, char *name,
    const ngx_str_t *list, const ngx_str_t *more)
{
    ngx_str_t  value;

    if (more->len == 0) {
        value = *list;
        return ngx_http_gateway_cors_put(r, name, &value);
    }

    value.len = list->len + more->len;
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpymem(ngx_cpymem(value.data, list->data, list->len),
                      more->data, more->len);

    return ngx_http_gateway_cors_put(r, name, &value);
}


static ngx_int_t
ngx_http_gateway_cors_put(ngx_http_request_t *r, char *name, ngx_str_t *value)
{
    return ngx_http_gateway_header_out(r, name, value, NULL);
}


/* gateway_cors ORIGIN ... [credentials] [max_age=TIME] [...] | off */

static char *
ngx_http_gateway_cors(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_cors_loc_conf_t *clcf = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_http_gateway_cors_t  *cors;

    if (clcf->cors) {
        return "is duplicate, list all origins in one";
    }

    cors = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_cors_t));
    if (cors == NULL
        || ngx_array_init(&cors->origins, cf->pool, 4,
                          sizeof(ngx_http_gateway_cors_origin_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    clcf->cors = cors;
    value = cf->args->elts;

    if (cf->args->nelts == 2 && value[1].len == 3
        && ngx_strncmp(value[1].data, "off", 3) == 0)
    {
        cors->is_off = 1;
        return NGX_CONF_OK;
    }

    ngx_str_set(&cors->headers, NGX_HTTP_GATEWAY_CORS_HEADERS);
    ngx_str_set(&cors->expose, NGX_HTTP_GATEWAY_CORS_EXPOSE);

    for (i = 1; i < cf->args->nelts; i++) {

        rv = ngx_http_gateway_cors_option(cf, cors, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (cors->origins.nelts == 0 && !cors->is_any) {
        return "names no origin, write at least one as "
               "https://shop.example.com";
    }

    if (cors->is_any && cors->origins.nelts) {
        return "has \"*\" beside other origins, it stands for all of them";
    }

    if (cors->is_any && cors->has_credentials) {
        return "must not have \"*\" with \"credentials\", every site could "
               "then act in the name of whoever visits it; list the origins";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_cors_option(ngx_conf_t *cf, ngx_http_gateway_cors_t *cors,
    ngx_str_t *value)
{
    ngx_str_t  rest;

    static ngx_str_t  none = ngx_string("");

    if (value->len == 1 && value->data[0] == '*') {
        cors->is_any = 1;
        return NGX_CONF_OK;
    }

    if (value->len == 11 && ngx_strncmp(value->data, "credentials", 11) == 0) {
        cors->has_credentials = 1;
        return NGX_CONF_OK;
    }

    if (value->len >= 8 && ngx_strncmp(value->data, "max_age=", 8) == 0) {
        return ngx_http_gateway_cors_max_age(cf, cors, value);
    }

    rest.data = value->data + 8;
    rest.len = value->len - 8;

    if (value->len >= 8 && ngx_strncmp(value->data, "methods=", 8) == 0) {
        return ngx_http_gateway_cors_list(cf, &rest, &none, &cors->methods);
    }

    if (value->len >= 8 && ngx_strncmp(value->data, "headers=", 8) == 0) {
        return ngx_http_gateway_cors_list(cf, &rest, &cors->headers,
                                          &cors->headers);
    }

    if (value->len >= 7 && ngx_strncmp(value->data, "expose=", 7) == 0) {
        rest.data--;
        rest.len++;

        return ngx_http_gateway_cors_list(cf, &rest, &cors->expose,
                                          &cors->expose);
    }

    return ngx_http_gateway_cors_origin(cf, cors, value);
}


static char *
ngx_http_gateway_cors_max_age(ngx_conf_t *cf, ngx_http_gateway_cors_t *cors,
    ngx_str_t *value)
{
    u_char     *p;
    ngx_int_t   n;
    ngx_str_t   text;

    text.data = value->data + 8;
    text.len = value->len - 8;

    n = ngx_parse_time(&text, 1);

    if (n == NGX_ERROR || n > NGX_HTTP_GATEWAY_CORS_MAX_AGE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", use whole seconds up to %ds, "
                           "browsers keep it no longer", value,
                           NGX_HTTP_GATEWAY_CORS_MAX_AGE);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    cors->max_age.data = p;
    cors->max_age.len = ngx_sprintf(p, "%i", n) - p;

    return NGX_CONF_OK;
}


/* words of a list with commas, added to what is known: "a, b, c" */

static char *
ngx_http_gateway_cors_list(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *known,
    ngx_str_t *list_r)
{
    u_char  *p, *start, ch;
    size_t   i, word;

    start = ngx_pnalloc(cf->pool, known->len + 2 + 2 * value->len);
    if (start == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_cpymem(start, known->data, known->len);
    word = 0;

    for (i = 0; i <= value->len; i++) {

        if (i == value->len || value->data[i] == ',') {
            if (word == 0) {
                break;
            }

            word = 0;
            continue;
        }

        ch = value->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'))
        {
            break;
        }

        if (word++ == 0 && p != start) {
            *p++ = ',';
            *p++ = ' ';
        }

        *p++ = ch;
    }

    if (i <= value->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid list \"%V\", write names of letters, "
                           "digits, \"-\" and \"_\", separated by commas "
                           "without blanks", value);
        return NGX_CONF_ERROR;
    }

    list_r->data = start;
    list_r->len = p - start;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_cors_origin(ngx_conf_t *cf, ngx_http_gateway_cors_t *cors,
    ngx_str_t *value)
{
    char                            *reason;
    ngx_uint_t                       i;
    ngx_http_gateway_cors_origin_t  *origin;

    origin = cors->origins.elts;

    for (i = 0; i < cors->origins.nelts; i++) {
        if (origin[i].text.len == value->len
            && ngx_strncmp(origin[i].text.data, value->data, value->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate origin \"%V\"", value);
            return NGX_CONF_ERROR;
        }
    }

    origin = ngx_array_push(&cors->origins);
    if (origin == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(origin, sizeof(ngx_http_gateway_cors_origin_t));
    origin->text = *value;

    reason = ngx_http_gateway_cors_origin_parse(origin);

    if (reason == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid origin \"%V\": %s; write it as browsers send "
                       "it, for example https://shop.example.com, or as "
                       "https://*.example.com for all names below",
                       value, reason);

    return NGX_CONF_ERROR;
}


/* NULL, or what is wrong: browsers compare and send to the byte */

static char *
ngx_http_gateway_cors_origin_parse(ngx_http_gateway_cors_origin_t *origin)
{
    u_char  *p, *host, *last, *port;

    last = origin->text.data + origin->text.len;

    if (origin->text.len == 4 && ngx_strncmp(origin->text.data, "null", 4) == 0)
    {
        return "every sandboxed page calls itself so";
    }

    host = ngx_strnstr(origin->text.data, "://", origin->text.len);

    if (host == NULL || host == origin->text.data) {
        return "it has no scheme";
    }

    host += 3;
    port = NULL;

    for (p = origin->text.data; p < last; p++) {

        if (*p >= 'A' && *p <= 'Z') {
            return "it has capital letters";
        }

        if (p < host) {
            continue;
        }

        if (*p == '/') {
            return "it has a path";
        }

        if (*p == ':' && host[0] != '[') {
            port = p;
        }

        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')
              || *p == '-' || *p == '.' || *p == ':' || *p == '[' || *p == ']'
              || (*p == '*' && p == host)))
        {
            return "it has characters that no host has";
        }
    }

    if (host == last || port == host) {
        return "it has no host";
    }

    if (port && last - port == 4 && ngx_strncmp(port, ":443", 4) == 0
        && ngx_strncmp(origin->text.data, "https:", 6) == 0)
    {
        return "the default port is left out";
    }

    if (port && last - port == 3 && ngx_strncmp(port, ":80", 3) == 0
        && ngx_strncmp(origin->text.data, "http:", 5) == 0)
    {
        return "the default port is left out";
    }

    if (*host != '*') {
        return NULL;
    }

    if (last - host < 4 || host[1] != '.' || host[2] == '.') {
        return "a star stands for the first labels of a name";
    }

    origin->scheme.data = origin->text.data;
    origin->scheme.len = host - origin->text.data;
    origin->suffix.data = host + 1;
    origin->suffix.len = last - host - 1;

    return NULL;
}


static void *
ngx_http_gateway_cors_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_cors_loc_conf_t));
}


static char *
ngx_http_gateway_cors_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_cors_loc_conf_t  *prev = parent;
    ngx_http_gateway_cors_loc_conf_t  *conf = child;

    if (conf->cors == NULL) {
        conf->cors = prev->cors;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_cors_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gateway_cors_header_filter;

    return NGX_OK;
}
