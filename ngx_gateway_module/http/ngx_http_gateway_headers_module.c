/*
 * Copyright (C) the Warren authors
 *
 * Which headers of requests a worker gets to see, and which headers of answers
 * it may set beside the usual ones: by name, since a message is read by others
 * than those for whom a header was meant.
 */

#include "ngx_http_gateway_private.h"


/* a worker reads 64 headers of a message, arguments too */
#define NGX_HTTP_GATEWAY_HEADERS_MAX  16


typedef struct {
    ngx_str_t                    name;        /* in lower case */
    ngx_str_t                    shown;       /* as written */
    ngx_str_t                    wire;        /* x-http-...; of requests */
} ngx_http_gateway_headers_name_t;


/* those of one level, shared by the levels below */

typedef struct {
    ngx_array_t                  names;       /* of ..._headers_name_t */
    ngx_str_t                    list;        /* ", A, B" */
} ngx_http_gateway_headers_list_t;


typedef struct {
    ngx_http_gateway_headers_list_t  *request;   /* NULL: none */
    ngx_http_gateway_headers_list_t  *response;
} ngx_http_gateway_headers_conf_t;


static void *ngx_http_gateway_headers_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_headers_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_gateway_headers_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_headers_add(ngx_conf_t *cf,
    ngx_http_gateway_headers_list_t *list, ngx_str_t *value,
    ngx_uint_t is_request);
static char *ngx_http_gateway_headers_mend(ngx_str_t *name);
static char *ngx_http_gateway_headers_text(ngx_conf_t *cf,
    ngx_http_gateway_headers_list_t *list);
static ngx_int_t ngx_http_gateway_headers_collect(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *value_r);
static ngx_int_t ngx_http_gateway_headers_refuse(ngx_http_request_t *r,
    const ngx_str_t *name);


static ngx_command_t  ngx_http_gateway_headers_commands[] = {

    { ngx_string("gateway_request_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_headers_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_headers_conf_t, request),
      NULL },

    { ngx_string("gateway_response_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_headers_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_headers_conf_t, response),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_headers_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_headers_create_conf,  /* create location configuration */
    ngx_http_gateway_headers_merge_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_headers_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_headers_module_ctx,  /* module context */
    ngx_http_gateway_headers_commands,     /* module directives */
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


ngx_int_t
ngx_http_gateway_headers_put(ngx_http_request_t *r, ngx_array_t *headers)
{
    ngx_int_t                                rc;
    ngx_str_t                                value;
    ngx_uint_t                               i;
    ngx_amqp_header_t                       *h;
    ngx_http_gateway_headers_conf_t         *hcf;
    const ngx_http_gateway_headers_name_t   *name;

    hcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_headers_module);

    if (hcf->request == NULL) {
        return NGX_OK;
    }

    name = hcf->request->names.elts;

    for (i = 0; i < hcf->request->names.nelts; i++) {

        rc = ngx_http_gateway_headers_collect(r, &name[i].name, &value);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc == NGX_ABORT) {
            return ngx_http_gateway_headers_refuse(r, &name[i].shown);
        }

        h = rc == NGX_OK ? ngx_array_push(headers) : NULL;
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(h, sizeof(ngx_amqp_header_t));
        h->name = name[i].wire;
        h->type = ngx_amqp_header_str;
        h->value = value;
    }

    return NGX_OK;
}


/*
 * All of that name, as one list (RFC 9110, section 5.3).  NGX_OK, NGX_DECLINED
 * if there is none, NGX_ABORT if it must not pass, NGX_ERROR.
 */

static ngx_int_t
ngx_http_gateway_headers_collect(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *value_r)
{
    u_char           *p, *start;
    size_t            i;
    ngx_uint_t        n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    start = NULL;
    p = NULL;
    part = &r->headers_in.headers.part;
    h = part->elts;

    for (n = 0; /* void */ ; n++) {

        if (n >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            n = 0;
        }

        if (h[n].hash == 0 || h[n].key.len != name->len
            || ngx_strncmp(h[n].lowcase_key, name->data, name->len) != 0)
        {
            continue;
        }

        if (start == NULL) {
            start = ngx_pnalloc(r->pool, WIRE_HTTP_VALUE_MAX);
            if (start == NULL) {
                return NGX_ERROR;
            }

            p = start;
        }

        if (h[n].value.len + 2 > (size_t) (start + WIRE_HTTP_VALUE_MAX - p)) {
            return NGX_ABORT;
        }

        if (p != start) {
            *p++ = ',';
            *p++ = ' ';
        }

        for (i = 0; i < h[n].value.len; i++) {
            if ((h[n].value.data[i] < 0x20 && h[n].value.data[i] != '\t')
                || h[n].value.data[i] == 0x7f)
            {
                return NGX_ABORT;
            }
        }

        p = ngx_cpymem(p, h[n].value.data, h[n].value.len);
    }

    value_r->data = start;
    value_r->len = p - start;

    return start ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_gateway_headers_refuse(ngx_http_request_t *r, const ngx_str_t *name)
{
    u_char     *p;
    ngx_str_t   detail;

    p = ngx_pnalloc(r->pool, name->len + 64);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    detail.data = p;
    detail.len = ngx_sprintf(p, "the header %V is too long or has control "
                                "characters", name) - p;

    return ngx_http_gateway_refuse(r, WIRE_ERROR_INVALID, &detail);
}


ngx_uint_t
ngx_http_gateway_headers_may_answer(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t                              i;
    ngx_http_gateway_headers_conf_t        *hcf;
    const ngx_http_gateway_headers_name_t  *known;

    hcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_headers_module);

    if (hcf->response == NULL) {
        return 0;
    }

    known = hcf->response->names.elts;

    for (i = 0; i < hcf->response->names.nelts; i++) {
        if (known[i].name.len == name->len
            && ngx_strncmp(known[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_gateway_headers_lists(ngx_http_request_t *r, ngx_str_t *request_r,
    ngx_str_t *response_r)
{
    ngx_http_gateway_headers_conf_t  *hcf;

    hcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_headers_module);

    ngx_str_null(request_r);
    ngx_str_null(response_r);

    if (hcf->request) {
        *request_r = hcf->request->list;
    }

    if (hcf->response) {
        *response_r = hcf->response->list;
    }
}


/* gateway_request_header NAME ... | off, and gateway_response_header */

static char *
ngx_http_gateway_headers_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                              *rv;
    ngx_str_t                         *value;
    ngx_uint_t                         i, is_request;
    ngx_http_gateway_headers_list_t  **list;

    is_request = cmd->offset
                 == offsetof(ngx_http_gateway_headers_conf_t, request);
    list = (ngx_http_gateway_headers_list_t **) ((u_char *) conf
                                                 + cmd->offset);

    if (*list) {
        return "is duplicate, list all names in one";
    }

    *list = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_headers_list_t));

    if (*list == NULL
        || ngx_array_init(&(*list)->names, cf->pool, 4,
                          sizeof(ngx_http_gateway_headers_name_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && value[1].len == 3
        && ngx_strncmp(value[1].data, "off", 3) == 0)
    {
        return NGX_CONF_OK;
    }

    if (cf->args->nelts - 1 > NGX_HTTP_GATEWAY_HEADERS_MAX) {
        return "names more than 16 headers";
    }

    for (i = 1; i < cf->args->nelts; i++) {

        rv = ngx_http_gateway_headers_add(cf, *list, &value[i], is_request);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_http_gateway_headers_text(cf, *list);
}


static char *
ngx_http_gateway_headers_add(ngx_conf_t *cf,
    ngx_http_gateway_headers_list_t *list, ngx_str_t *value,
    ngx_uint_t is_request)
{
    char                             *mend;
    u_char                           *p;
    ngx_uint_t                        i;
    ngx_http_gateway_headers_name_t  *name, *known;

    p = ngx_pnalloc(cf->pool, sizeof(WIRE_HEADER_REQUEST_PREFIX) + value->len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpymem(p, WIRE_HEADER_REQUEST_PREFIX,
                      sizeof(WIRE_HEADER_REQUEST_PREFIX) - 1);

    known = list->names.elts;
    name = ngx_array_push(&list->names);
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    name->shown = *value;
    name->wire.data = p;
    name->wire.len = sizeof(WIRE_HEADER_REQUEST_PREFIX) - 1 + value->len;
    name->name.data = p + sizeof(WIRE_HEADER_REQUEST_PREFIX) - 1;
    name->name.len = value->len;

    ngx_strlow(name->name.data, value->data, value->len);

    if (!wire_http_name_is_valid((char *) name->name.data, name->name.len)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of a header \"%V\", use at most %d "
                           "letters, digits and \"-\"", value,
                           WIRE_HTTP_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    known = list->names.elts;

    for (i = 0; i < list->names.nelts - 1; i++) {
        if (known[i].name.len == name->name.len
            && ngx_strncmp(known[i].name.data, name->name.data,
                           name->name.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate header \"%V\"",
                               value);
            return NGX_CONF_ERROR;
        }
    }

    if (is_request) {
        mend = ngx_http_gateway_headers_mend(&name->name);

    } else if (wire_reply_header_may_pass((char *) name->name.data,
                                          name->name.len))
    {
        mend = NULL;

    } else {
        mend = "is the gateway's or nginx's own, leave it out";
    }

    if (mend) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "header \"%V\" %s", value,
                           mend);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* why a request's header is not passed on, and what to do; NULL: it is */

static char *
ngx_http_gateway_headers_mend(ngx_str_t *name)
{
    ngx_uint_t  i;

    static struct {
        ngx_str_t   name;
        char       *mend;
    } own[] = {
#define NGX_HTTP_GATEWAY_SECRET                                               \
    "is a secret and no worker needs it, use claims of the verified token"
        { ngx_string("authorization"), NGX_HTTP_GATEWAY_SECRET },
        { ngx_string("proxy-authorization"), NGX_HTTP_GATEWAY_SECRET },
        { ngx_string("cookie"),
          "has secrets, pass what is needed as \"gateway_arg NAME "
          "$cookie_NAME\"" },
        { ngx_string("host"), "is passed as \"gateway_arg host $host\"" },
#define NGX_HTTP_GATEWAY_TRAVELS  "travels already, leave it out"
        { ngx_string("content-type"), NGX_HTTP_GATEWAY_TRAVELS },
        { ngx_string("idempotency-key"), NGX_HTTP_GATEWAY_TRAVELS },
        { ngx_string("x-request-id"), NGX_HTTP_GATEWAY_TRAVELS },
        { ngx_string("traceparent"), NGX_HTTP_GATEWAY_TRAVELS },
        { ngx_string("tracestate"), NGX_HTTP_GATEWAY_TRAVELS },
#define NGX_HTTP_GATEWAY_HOP  "is about the connection to nginx, leave it out"
        { ngx_string("connection"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("content-length"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("expect"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("keep-alive"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("te"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("trailer"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("transfer-encoding"), NGX_HTTP_GATEWAY_HOP },
        { ngx_string("upgrade"), NGX_HTTP_GATEWAY_HOP }
    };

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (own[i].name.len == name->len
            && ngx_strncmp(own[i].name.data, name->data, name->len) == 0)
        {
            return own[i].mend;
        }
    }

    return NULL;
}


/* for the fields of CORS, which list what a page may send and read */

static char *
ngx_http_gateway_headers_text(ngx_conf_t *cf,
    ngx_http_gateway_headers_list_t *list)
{
    u_char                           *p;
    size_t                            len;
    ngx_uint_t                        i;
    ngx_http_gateway_headers_name_t  *name;

    len = 0;
    name = list->names.elts;

    for (i = 0; i < list->names.nelts; i++) {
        len += 2 + name[i].shown.len;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    list->list.data = p;
    list->list.len = len;

    for (i = 0; i < list->names.nelts; i++) {
        p = ngx_sprintf(p, ", %V", &name[i].shown);
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_gateway_headers_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_headers_conf_t));
}


static char *
ngx_http_gateway_headers_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_headers_conf_t  *prev = parent;
    ngx_http_gateway_headers_conf_t  *conf = child;

    if (conf->request == NULL) {
        conf->request = prev->request;
    }

    if (conf->response == NULL) {
        conf->response = prev->response;
    }

    return NGX_CONF_OK;
}
