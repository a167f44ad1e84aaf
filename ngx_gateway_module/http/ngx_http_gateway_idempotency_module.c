/*
 * Copyright (C) the Warren authors
 *
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): whose keys
 * count, where they must be given, and the message id that is made of one.
 * That equal ids act once is the worker's business.
 */

#include "ngx_http_gateway_private.h"


/* the longest key */
#define NGX_HTTP_GATEWAY_KEY_MAX          255

#define NGX_HTTP_GATEWAY_KEYS_OFF         0
#define NGX_HTTP_GATEWAY_KEYS_ON          1
#define NGX_HTTP_GATEWAY_KEYS_REQUIRED    2


typedef struct {
    /* NGX_HTTP_GATEWAY_KEYS_... */
    ngx_uint_t                   keys;

    /* callers without a subject share one space of keys */
    ngx_uint_t                   anonymous;
} ngx_http_gateway_idempotency_conf_t;


static void *ngx_http_gateway_idempotency_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_idempotency_merge_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_gateway_idempotency_set(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_gateway_idempotency_read(ngx_http_request_t *r,
    ngx_str_t *key);
static void ngx_http_gateway_idempotency_subject(ngx_http_request_t *r,
    ngx_str_t *subject_r);


static ngx_command_t  ngx_http_gateway_idempotency_commands[] = {

    { ngx_string("gateway_idempotency"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE12,
      ngx_http_gateway_idempotency_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_idempotency_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_idempotency_create_conf,
                                           /* create location configuration */
    ngx_http_gateway_idempotency_merge_conf
                                           /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_idempotency_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_idempotency_module_ctx,
                                           /* module context */
    ngx_http_gateway_idempotency_commands, /* module directives */
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


static void *
ngx_http_gateway_idempotency_create_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_idempotency_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_gateway_idempotency_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->keys = NGX_CONF_UNSET_UINT;
    conf->anonymous = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_gateway_idempotency_merge_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_idempotency_conf_t *prev = parent;
    ngx_http_gateway_idempotency_conf_t *conf = child;

    /* both are set by one directive */

    ngx_conf_merge_uint_value(conf->keys, prev->keys,
                              NGX_HTTP_GATEWAY_KEYS_ON);
    ngx_conf_merge_uint_value(conf->anonymous, prev->anonymous, 0);

    return NGX_CONF_OK;
}


/* gateway_idempotency off|on|required [anonymous] */

static char *
ngx_http_gateway_idempotency_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gateway_idempotency_conf_t *gicf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    static ngx_str_t  words[] = {
        ngx_string("off"),
        ngx_string("on"),
        ngx_string("required")
    };

    if (gicf->keys != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < 3; i++) {
        if (value[1].len == words[i].len
            && ngx_strncmp(value[1].data, words[i].data, words[i].len) == 0)
        {
            break;
        }
    }

    if (i == 3
        || (cf->args->nelts == 3
            && (i == NGX_HTTP_GATEWAY_KEYS_OFF
                || value[2].len != sizeof("anonymous") - 1
                || ngx_strncmp(value[2].data, "anonymous", value[2].len)
                   != 0)))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", write "
                           "\"gateway_idempotency off\", \"on [anonymous]\" "
                           "or \"required [anonymous]\"",
                           &value[cf->args->nelts - 1]);
        return NGX_CONF_ERROR;
    }

    gicf->keys = i;
    gicf->anonymous = (cf->args->nelts == 3);

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gateway_idempotency_key(ngx_http_gateway_call_t *ctx)
{
    ngx_int_t                             rc;
    ngx_str_t                             subject;
    ngx_http_request_t                   *r;
    ngx_http_gateway_idempotency_conf_t  *gicf;

    static ngx_str_t  bad = ngx_string("the Idempotency-Key must be given "
                                       "once and have 1 to 255 visible "
                                       "characters");
    static ngx_str_t  unknown = ngx_string("an Idempotency-Key needs a token "
                                           "that tells whose it is");

    r = ctx->request;

    gicf = ngx_http_get_module_loc_conf(r,
                                        ngx_http_gateway_idempotency_module);

    /* what only reads may be repeated; subrequests are not the client's */

    if (gicf->keys == NGX_HTTP_GATEWAY_KEYS_OFF
        || r != r->main
        || (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return NGX_OK;
    }

    rc = ngx_http_gateway_idempotency_read(r, &ctx->key);

    if (rc == NGX_ABORT) {
        return ngx_http_gateway_refuse(r, WIRE_ERROR_INVALID, &bad);
    }

    if (rc == NGX_DECLINED) {
        return gicf->keys == NGX_HTTP_GATEWAY_KEYS_REQUIRED
               ? ngx_http_gateway_refuse(r, WIRE_ERROR_IDEMPOTENCY_REQUIRED,
                                         NULL)
               : NGX_OK;
    }

    /* two strangers with equal keys would get one another's answers */

    ngx_http_gateway_idempotency_subject(r, &subject);

    if (subject.len == 0 && !gicf->anonymous) {
        return ngx_http_gateway_refuse(r, WIRE_ERROR_INVALID, &unknown);
    }

    return NGX_OK;
}


/*
 * NGX_OK; NGX_DECLINED: none; NGX_ABORT: one that cannot be used.  The draft
 * has it in quotes, and many clients without.
 */

static ngx_int_t
ngx_http_gateway_idempotency_read(ngx_http_request_t *r, ngx_str_t *key)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_gateway_header_in(r, "idempotency-key", &value);
    if (rc != NGX_OK) {
        return rc;
    }

    if (value.len >= 2 && value.data[0] == '"'
        && value.data[value.len - 1] == '"')
    {
        value.data++;
        value.len -= 2;
    }

    if (value.len == 0 || value.len > NGX_HTTP_GATEWAY_KEY_MAX) {
        return NGX_ABORT;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e) {
            return NGX_ABORT;
        }
    }

    *key = value;

    return NGX_OK;
}


/* empty: nobody is known */

static void
ngx_http_gateway_idempotency_subject(ngx_http_request_t *r,
    ngx_str_t *subject_r)
{
    ngx_str_t  name;

    ngx_str_set(&name, "sub");

    if (ngx_http_gateway_jwt_claim(r, &name, subject_r) != NGX_OK) {
        ngx_str_null(subject_r);
    }
}


ngx_int_t
ngx_http_gateway_message_id(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message)
{
    u_char              *uuid;
    ngx_str_t            parts[3];
    ngx_http_request_t  *r;

    static ngx_str_t  one = ngx_string("1");

    r = ctx->request;

    uuid = ngx_pnalloc(r->pool, NGX_HTTP_GATEWAY_UUID_LEN);
    if (uuid == NULL) {
        return NGX_ERROR;
    }

    message->message_id.data = uuid;
    message->message_id.len = NGX_HTTP_GATEWAY_UUID_LEN;
    ctx->message_id = message->message_id;

    if (ctx->key.len == 0) {
        return ngx_http_gateway_uuid7(r, uuid);
    }

    ngx_http_gateway_idempotency_subject(r, &parts[0]);

    parts[1] = ctx->route->method;
    parts[2] = ctx->key;

    if (ngx_http_gateway_uuid_of(parts, 3, uuid) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_gateway_message_put(message->headers, WIRE_HEADER_KEYED,
                                        &one);
}
