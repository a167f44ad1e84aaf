/*
 * Copyright (C) the Warren authors
 *
 * Tokens: the directives that say which are accepted, the verdict on the token
 * of a request, and variables for its claims.
 */

#include "ngx_http_gateway.h"
#include "ngx_http_gateway_jwt_cache.h"
#include "ngx_http_gateway_jwt_place.h"
#include "ngx_http_gateway_jwt_require.h"
#include "ngx_http_gateway_jwt_revoked.h"
#include "ngx_http_gateway_jwt_source.h"
#include "ngx_http_gateway_trail.h"
#include "ngx_http_gateway_version.h"


#define NGX_HTTP_GATEWAY_JWT_OFF       0
#define NGX_HTTP_GATEWAY_JWT_ON        1
#define NGX_HTTP_GATEWAY_JWT_OPTIONAL  2

/* of gateway_jwt_cache, for each worker process */

#define NGX_HTTP_GATEWAY_JWT_CACHE     (4 * 1024 * 1024)


typedef struct {
    size_t                         cache_size;  /* 0: off */

    /* of a worker process, from init_process to exit_process */
    ngx_http_gateway_jwt_cache_t  *cache;
} ngx_http_gateway_jwt_main_conf_t;


/* const once it is merged */

typedef struct {
    ngx_uint_t                     mode;
    ngx_http_gateway_jwt_source_t *source;
    ngx_uint_t                     algorithms;  /* bits; 0: not set */
    ngx_http_gateway_jwt_places_t *places;      /* NULL: the header */
    ngx_array_t                   *types;       /* of ngx_str_t; NULL: usual */
    ngx_array_t                   *issuers;     /* of ngx_str_t; NULL: any */
    ngx_array_t                   *audiences;   /* of ngx_str_t; NULL: any */
    time_t                         leeway;
    time_t                         max_lifetime; /* 0: any */
    ngx_str_t                      realm;

    /* of ngx_http_gateway_jwt_rule_t; NULL: none */
    ngx_array_t                   *rules;

    /* where gateway_jwt stands, for errors found when all is read */
    ngx_str_t                      file;
    ngx_uint_t                     line;

    /* the same of a gateway_require in a location; 0: there is none */
    ngx_str_t                      rules_file;
    ngx_uint_t                     rules_line;
} ngx_http_gateway_jwt_loc_conf_t;


/* the verdict on a request; a redirect wipes it */

typedef struct {
    ngx_int_t                      verdict;     /* as jwt_verify() returns */
    ngx_http_gateway_jwt_token_t  *token;       /* NULL unless NGX_OK */
    const char                    *reason;      /* NULL unless refused */

    /* what the token does not meet; NULL unless that is the reason */
    const ngx_http_gateway_jwt_rule_t  *rule;

    ngx_table_elt_t               *challenge;   /* NULL: none is out */
    unsigned                       is_refused:1;
    unsigned                       has_waited:1; /* for keys */
} ngx_http_gateway_jwt_ctx_t;


static ngx_http_gateway_jwt_ctx_t *ngx_http_gateway_jwt_ctx(
    ngx_http_request_t *r);
static void ngx_http_gateway_jwt_cleanup(void *data);
static ngx_int_t ngx_http_gateway_jwt_decide(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_jwt_await(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_jwt_obtain(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf, ngx_str_t *text,
    ngx_http_gateway_jwt_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_jwt_read(
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    const ngx_http_gateway_jwt_keys_t *keys, ngx_str_t *text,
    ngx_http_gateway_jwt_token_t **token, const char **reason);
static const char *ngx_http_gateway_jwt_check(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    const ngx_http_gateway_jwt_token_t *token);
static const char *ngx_http_gateway_jwt_check_header(
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    const ngx_http_gateway_jwt_token_t *token);
static ngx_int_t ngx_http_gateway_jwt_has_any(
    const ngx_http_gateway_jwt_token_t *token, const char *name,
    const ngx_array_t *values);
static ngx_int_t ngx_http_gateway_jwt_refuse(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_jwt_challenge(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_jwt_join(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_token_t *token, ngx_str_t *name, size_t n,
    ngx_str_t *value);

static ngx_int_t ngx_http_gateway_jwt_sub_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_jwt_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_jwt_claim_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name);
static ngx_int_t ngx_http_gateway_jwt_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_gateway_jwt_add_variables(ngx_conf_t *cf);
static void *ngx_http_gateway_jwt_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_jwt_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_gateway_jwt_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_jwt_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_gateway_jwt_check_conf(ngx_conf_t *cf,
    ngx_http_gateway_jwt_loc_conf_t *jlcf);
static ngx_int_t ngx_http_gateway_jwt_init_process(ngx_cycle_t *cycle);
static void ngx_http_gateway_jwt_exit_process(ngx_cycle_t *cycle);

static char *ngx_http_gateway_jwt(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_jwt_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_jwt_key_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_jwt_algorithms(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gateway_jwt_strings(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_jwt_rules(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_jwt_realm(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_jwt_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_enum_t  ngx_http_gateway_jwt_modes[] = {
    { ngx_string("off"), NGX_HTTP_GATEWAY_JWT_OFF },
    { ngx_string("on"), NGX_HTTP_GATEWAY_JWT_ON },
    { ngx_string("optional"), NGX_HTTP_GATEWAY_JWT_OPTIONAL },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_gateway_jwt_commands[] = {

    { ngx_string("gateway_jwt"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
          |NGX_HTTP_LMT_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_jwt,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, mode),
      &ngx_http_gateway_jwt_modes },

    { ngx_string("gateway_jwt_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_jwt_key_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_jwt_key_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_key_url,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_jwt_algorithms"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_algorithms,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_jwt_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_places,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, places),
      NULL },

    { ngx_string("gateway_jwt_type"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_strings,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, types),
      NULL },

    { ngx_string("gateway_jwt_issuer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_strings,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, issuers),
      NULL },

    { ngx_string("gateway_jwt_audience"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_strings,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, audiences),
      NULL },

    { ngx_string("gateway_jwt_leeway"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, leeway),
      NULL },

    { ngx_string("gateway_jwt_max_lifetime"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, max_lifetime),
      NULL },

    { ngx_string("gateway_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
          |NGX_HTTP_LMT_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_jwt_rules,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_jwt_loc_conf_t, rules),
      NULL },

    { ngx_string("gateway_jwt_realm"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_jwt_realm,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_jwt_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_jwt_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_jwt_module_ctx = {
    ngx_http_gateway_jwt_add_variables,    /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_gateway_jwt_create_main_conf, /* create main configuration */
    ngx_http_gateway_jwt_init_main_conf,   /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_jwt_create_loc_conf,  /* create location configuration */
    ngx_http_gateway_jwt_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_jwt_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_jwt_module_ctx,      /* module context */
    ngx_http_gateway_jwt_commands,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gateway_jwt_init_process,     /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gateway_jwt_exit_process,     /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Not cacheable: a request may be redirected to a location that demands
 * another token, and a subrequest has variables in common with its parent.
 */

static ngx_http_variable_t  ngx_http_gateway_jwt_vars[] = {

    { ngx_string("gateway_jwt_sub"), NULL,
      ngx_http_gateway_jwt_sub_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_jwt_error"), NULL,
      ngx_http_gateway_jwt_error_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_jwt_claim_"), NULL,
      ngx_http_gateway_jwt_claim_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_gateway_jwt_verify(ngx_http_request_t *r)
{
    ngx_http_gateway_jwt_ctx_t             *ctx;
    const ngx_http_gateway_jwt_loc_conf_t  *jlcf;

    jlcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_jwt_module);

    if (jlcf->mode == NGX_HTTP_GATEWAY_JWT_OFF) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_jwt_module);

    /* one that waited for keys is judged again */

    if (ctx != NULL && ctx->verdict != NGX_AGAIN) {
        return ctx->verdict;
    }

    if (ctx == NULL) {
        ctx = ngx_http_gateway_jwt_ctx(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ctx->reason = NULL;

    ctx->verdict = ngx_http_gateway_jwt_decide(r, jlcf, ctx);

    if (ctx->verdict != NGX_OK) {
        ngx_http_gateway_jwt_token_unref(ctx->token);
        ctx->token = NULL;
    }

    if (ctx->verdict == NGX_OK) {
        ngx_http_gateway_count(r, jwt_verified);

    } else if (ctx->verdict == NGX_HTTP_UNAUTHORIZED
               || ctx->verdict == NGX_HTTP_FORBIDDEN)
    {
        ngx_http_gateway_count(r, jwt_refused);
        ctx->verdict = ngx_http_gateway_jwt_refuse(r, jlcf, ctx);
    }

    return ctx->verdict;
}


const char *
ngx_http_gateway_jwt_lapsed(ngx_http_request_t *r)
{
    const char                             *reason;
    ngx_http_gateway_jwt_ctx_t             *ctx;
    const ngx_http_gateway_jwt_loc_conf_t  *jlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_jwt_module);

    if (ctx == NULL || ctx->token == NULL) {
        return NULL;
    }

    jlcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_jwt_module);

    reason = ngx_http_gateway_jwt_token_check_time(ctx->token, ngx_time(),
                                                   jlcf->leeway, 0);

    if (reason == NULL && ngx_http_gateway_jwt_is_revoked(r, ctx->token)) {
        reason = "the token was revoked";
    }

    return reason;
}


static ngx_http_gateway_jwt_ctx_t *
ngx_http_gateway_jwt_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_gateway_jwt_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gateway_jwt_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_gateway_jwt_ctx_t));

    cln->handler = ngx_http_gateway_jwt_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_gateway_jwt_module);

    return ctx;
}


static void
ngx_http_gateway_jwt_cleanup(void *data)
{
    ngx_http_gateway_jwt_ctx_t  *ctx = data;

    ngx_http_gateway_jwt_token_unref(ctx->token);
}


/* NGX_OK, NGX_DECLINED, 401 or 403 with ctx->reason if it has a token, 500 */

static ngx_int_t
ngx_http_gateway_jwt_decide(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_http_gateway_jwt_find(r, jlcf->places, &text, &ctx->reason);

    if (rc == NGX_DECLINED) {

        /* what is required of everybody is not met by nobody */

        return jlcf->mode == NGX_HTTP_GATEWAY_JWT_OPTIONAL
               && ngx_http_gateway_jwt_unmet(r, jlcf->rules, NULL) == NULL
               ? NGX_DECLINED : NGX_HTTP_UNAUTHORIZED;
    }

    if (rc == NGX_HTTP_FORBIDDEN) {
        return rc;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_gateway_jwt_obtain(r, jlcf, &text, ctx);
    }

    if (rc == NGX_AGAIN) {
        return ngx_http_gateway_jwt_await(r, jlcf, ctx);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    ctx->reason = ngx_http_gateway_jwt_check(r, jlcf, ctx->token);

    if (ctx->reason != NULL) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    ctx->rule = ngx_http_gateway_jwt_unmet(r, jlcf->rules, ctx->token);

    if (ctx->rule != NULL) {
        ctx->reason = ctx->rule->reason;
        return ctx->rule->status;
    }

    return NGX_OK;
}


/*
 * No key fits, which may change: NGX_AGAIN if the request waits for newer ones,
 * 401 with ctx->reason, 503 if that cannot be told, 500.
 */

static ngx_int_t
ngx_http_gateway_jwt_await(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx)
{
    ngx_int_t  rc;

    static ngx_str_t  no_keys = ngx_string("the keys of tokens are not known");
    static ngx_str_t  too_many = ngx_string("too many tokens wait for keys");

    rc = NGX_DECLINED;

    if (jlcf->source->url != NULL && !ctx->has_waited) {
        rc = ngx_http_gateway_jwt_url_wait(r, jlcf->source->url);
    }

    switch (rc) {

    case NGX_AGAIN:
        ctx->has_waited = 1;
        return NGX_AGAIN;

    case NGX_DECLINED:

        if (ngx_http_gateway_jwt_source_keys(jlcf->source) == NULL) {
            ctx->reason = (char *) no_keys.data;
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "token not judged: %s", ctx->reason);
            return ngx_http_gateway_refuse(r, WIRE_ERROR_UNAVAILABLE,
                                           &no_keys);
        }

        ctx->reason = "no key fits the token";
        return NGX_HTTP_UNAUTHORIZED;

    case NGX_BUSY:
        ctx->reason = (char *) too_many.data;
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "token not judged: %s", ctx->reason);
        return ngx_http_gateway_refuse(r, WIRE_ERROR_OVERLOADED, &too_many);

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/*
 * The token with its signature found good, now or before.  NGX_OK,
 * NGX_DECLINED with ctx->reason, NGX_AGAIN if no key fits, NGX_ERROR.
 */

static ngx_int_t
ngx_http_gateway_jwt_obtain(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf, ngx_str_t *text,
    ngx_http_gateway_jwt_ctx_t *ctx)
{
    u_char                              digest[NGX_HTTP_GATEWAY_DIGEST_LEN];
    ngx_int_t                           rc;
    ngx_http_gateway_jwt_cache_t       *cache;
    const ngx_http_gateway_jwt_keys_t  *keys;
    ngx_http_gateway_jwt_main_conf_t   *jmcf;

    if (text->len > NGX_HTTP_GATEWAY_JWT_TOKEN_MAX) {
        ctx->reason = "the token is too long";
        return NGX_DECLINED;
    }

    jmcf = ngx_http_get_module_main_conf(r, ngx_http_gateway_jwt_module);
    cache = jmcf->cache;

    keys = ngx_http_gateway_jwt_source_keys(jlcf->source);

    if (cache == NULL || keys == NULL) {
        return ngx_http_gateway_jwt_read(jlcf, keys, text, &ctx->token,
                                         &ctx->reason);
    }

    if (ngx_http_gateway_jwt_cache_digest(cache, keys, text, digest)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->token = ngx_http_gateway_jwt_cache_find(cache, digest);

    if (ctx->token != NULL) {
        ngx_http_gateway_count(r, jwt_cache_hits);
        return NGX_OK;
    }

    ngx_http_gateway_count(r, jwt_cache_misses);

    rc = ngx_http_gateway_jwt_read(jlcf, keys, text, &ctx->token,
                                   &ctx->reason);

    if (rc == NGX_OK) {
        ngx_http_gateway_jwt_cache_keep(cache, digest, ctx->token);
    }

    return rc;
}


/* reads a token and verifies its signature */

static ngx_int_t
ngx_http_gateway_jwt_read(const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    const ngx_http_gateway_jwt_keys_t *keys, ngx_str_t *text,
    ngx_http_gateway_jwt_token_t **token, const char **reason)
{
    int                           result;
    ngx_http_gateway_jwt_parts_t  parts;

    result = ngx_http_gateway_jwt_split(text->data, text->len, &parts,
                                        reason);

    if (result == NGX_HTTP_GATEWAY_JWT_FINE) {
        result = ngx_http_gateway_jwt_token_new(&parts, token, reason);
    }

    if (result != NGX_HTTP_GATEWAY_JWT_FINE) {
        return result == NGX_HTTP_GATEWAY_JWT_REFUSED ? NGX_DECLINED
                                                      : NGX_ERROR;
    }

    /* before a key is touched, and again at every use */

    *reason = ngx_http_gateway_jwt_check_header(jlcf, *token);

    if (*reason != NULL) {
        return NGX_DECLINED;
    }

    if (keys == NULL || !ngx_http_gateway_jwt_keys_fit(keys, *token)) {
        return NGX_AGAIN;
    }

    result = ngx_http_gateway_jwt_keys_verify(keys, *token, &parts, reason);

    if (result == NGX_HTTP_GATEWAY_JWT_FINE) {
        result = ngx_http_gateway_jwt_token_read_claims(*token, &parts,
                                                        reason);
    }

    if (result != NGX_HTTP_GATEWAY_JWT_FINE) {
        return result == NGX_HTTP_GATEWAY_JWT_REFUSED ? NGX_DECLINED
                                                      : NGX_ERROR;
    }

    return NGX_OK;
}


/* what this location demands of a token; NULL: it is fine */

static const char *
ngx_http_gateway_jwt_check(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    const ngx_http_gateway_jwt_token_t *token)
{
    const char  *reason;

    reason = ngx_http_gateway_jwt_check_header(jlcf, token);

    if (reason == NULL) {
        reason = ngx_http_gateway_jwt_token_check_time(token, ngx_time(),
                                                       jlcf->leeway,
                                                       jlcf->max_lifetime);
    }

    if (reason != NULL) {
        return reason;
    }

    if (!ngx_http_gateway_jwt_has_any(token, "iss", jlcf->issuers)) {
        return "the token is from another issuer";
    }

    if (!ngx_http_gateway_jwt_has_any(token, "aud", jlcf->audiences)) {
        return "the token is for another audience";
    }

    if (ngx_http_gateway_jwt_is_revoked(r, token)) {
        return "the token was revoked";
    }

    return NULL;
}


/* what can be decided before its signature is looked at */

static const char *
ngx_http_gateway_jwt_check_header(const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    const ngx_http_gateway_jwt_token_t *token)
{
    ngx_str_t   *type;
    ngx_uint_t   i, n;

    static ngx_str_t  usual[] = {
        ngx_string("JWT"), ngx_string("at+jwt"), ngx_null_string
    };

    if (!(ngx_http_gateway_jwt_token_alg(token) & jlcf->algorithms)) {
        return "the algorithm of the token is not allowed here";
    }

    type = jlcf->types != NULL ? jlcf->types->elts : usual;
    n = jlcf->types != NULL ? jlcf->types->nelts
                            : sizeof(usual) / sizeof(usual[0]);

    for (i = 0; i < n; i++) {
        if (ngx_http_gateway_jwt_token_is_type(token, type[i].data,
                                               type[i].len))
        {
            return NULL;
        }
    }

    return "the type of the token is not accepted here";
}


static ngx_int_t
ngx_http_gateway_jwt_has_any(const ngx_http_gateway_jwt_token_t *token,
    const char *name, const ngx_array_t *values)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (values == NULL) {
        return 1;
    }

    value = values->elts;

    for (i = 0; i < values->nelts; i++) {
        if (ngx_http_gateway_jwt_token_has(token, name, value[i].data,
                                           value[i].len))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_gateway_jwt_refuse(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx)
{
    ngx_str_t        *detail;
    enum wire_error   error;

    ctx->is_refused = 1;

    error = ctx->verdict == NGX_HTTP_UNAUTHORIZED ? WIRE_ERROR_UNAUTHENTICATED
                                                  : WIRE_ERROR_FORBIDDEN;

    /* of a cookie from elsewhere no other token is asked for */

    if ((ctx->verdict == NGX_HTTP_UNAUTHORIZED || ctx->rule != NULL)
        && ngx_http_gateway_jwt_challenge(r, jlcf, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->reason == NULL) {
        return ngx_http_gateway_refuse(r, error, NULL);
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "token refused: %s", ctx->reason);

    detail = ngx_palloc(r->pool, sizeof(ngx_str_t));
    if (detail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    detail->data = (u_char *) ctx->reason;
    detail->len = ngx_strlen(ctx->reason);

    return ngx_http_gateway_refuse(r, error, detail);
}


/*
 * RFC 6750, section 3: no error is named unless a token was given.  The field
 * is where the core finds and hides it if "satisfy any" admits the request.
 */

static ngx_int_t
ngx_http_gateway_jwt_challenge(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_loc_conf_t *jlcf,
    ngx_http_gateway_jwt_ctx_t *ctx)
{
    size_t            len;
    u_char           *p;
    ngx_str_t         scope;
    const char       *reason, *error;
    ngx_table_elt_t  *h;

    reason = ctx->reason;
    error = "invalid_token";
    ngx_str_null(&scope);

    if (ctx->verdict == NGX_HTTP_FORBIDDEN) {
        error = "insufficient_scope";
        scope = ctx->rule->scope;
    }

    len = sizeof("Bearer realm=\"\"") - 1 + jlcf->realm.len;

    if (reason != NULL) {
        len += sizeof(", error=\"insufficient_scope\", "
                      "error_description=\"\", scope=\"\"") - 1
               + ngx_strlen(reason) + scope.len;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = r->headers_out.www_authenticate;

    /* one of ours is from before a redirect, and one of others stays */

    if (h == NULL || h->value.len < sizeof("Bearer realm=") - 1
        || ngx_strncmp(h->value.data, "Bearer realm=",
                       sizeof("Bearer realm=") - 1)
           != 0)
    {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_ERROR;
        }
        ngx_http_gateway_set_next(h, r->headers_out.www_authenticate);

        r->headers_out.www_authenticate = h;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");
    h->lowcase_key = (u_char *) "www-authenticate";
    h->value.data = p;

    p = ngx_sprintf(p, "Bearer realm=\"%V\"", &jlcf->realm);

    if (reason != NULL) {
        p = ngx_sprintf(p, ", error=\"%s\", error_description=\"%s\"",
                        error, reason);
    }

    if (scope.len) {
        p = ngx_sprintf(p, ", scope=\"%V\"", &scope);
    }

    h->value.len = p - h->value.data;

    ctx->challenge = h;

    return NGX_OK;
}


void
ngx_http_gateway_jwt_forgive(ngx_http_request_t *r)
{
    ngx_http_gateway_trail_t    *trail;
    ngx_http_gateway_jwt_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_jwt_module);

    if (ctx == NULL || !ctx->is_refused) {
        return;
    }

    if (ctx->challenge != NULL) {
        ctx->challenge->hash = 0;
        ctx->challenge = NULL;
    }

    ctx->is_refused = 0;

    ngx_http_set_ctx(r, NULL, ngx_http_gateway_problem_module);

    trail = ngx_http_gateway_trail_find(r);

    if (trail) {
        ngx_str_null(&trail->outcome);
    }
}


ngx_int_t
ngx_http_gateway_jwt_claim(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char                       *p;
    int64_t                       number;
    ngx_http_gateway_jwt_ctx_t   *ctx;
    ngx_http_gateway_jwt_slice_t  string;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_jwt_module);

    if (ctx == NULL || ctx->token == NULL) {
        return NGX_DECLINED;
    }

    switch (ngx_http_gateway_jwt_token_claim(ctx->token, name->data, name->len,
                                             &string, &number))
    {

    case NGX_HTTP_GATEWAY_JWT_STRING:
        value->data = (u_char *) string.data;
        value->len = string.len;
        return NGX_OK;

    case NGX_HTTP_GATEWAY_JWT_INTEGER:
        p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
        if (p == NULL) {
            return NGX_DECLINED;
        }

        value->data = p;
        value->len = ngx_sprintf(p, "%L", number) - p;
        return NGX_OK;

    case NGX_HTTP_GATEWAY_JWT_STRINGS:
        return ngx_http_gateway_jwt_join(r, ctx->token, name, (size_t) number,
                                         value);

    default: /* NGX_HTTP_GATEWAY_JWT_ABSENT, NGX_HTTP_GATEWAY_JWT_OTHER */
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_gateway_jwt_join(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_token_t *token, ngx_str_t *name, size_t n,
    ngx_str_t *value)
{
    size_t                        i, len;
    u_char                       *p;
    ngx_http_gateway_jwt_slice_t  item;

    len = 0;

    for (i = 0; i < n; i++) {
        item = ngx_http_gateway_jwt_token_element(token, name->data,
                                                  name->len, i);
        len += item.len + 1;
    }

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    value->data = p;

    for (i = 0; i < n; i++) {
        item = ngx_http_gateway_jwt_token_element(token, name->data,
                                                  name->len, i);
        if (i != 0) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, item.data, item.len);
    }

    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_sub_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  name = ngx_string("sub");

    return ngx_http_gateway_jwt_claim_value(r, v, &name);
}


static ngx_int_t
ngx_http_gateway_jwt_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  *variable = (ngx_str_t *) data;

    ngx_str_t  name;

    name.data = variable->data + sizeof("gateway_jwt_claim_") - 1;
    name.len = variable->len - (sizeof("gateway_jwt_claim_") - 1);

    return ngx_http_gateway_jwt_claim_value(r, v, &name);
}


static ngx_int_t
ngx_http_gateway_jwt_claim_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name)
{
    ngx_str_t  value;

    if (ngx_http_gateway_jwt_claim(r, name, &value) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value.len;
    v->data = value.data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gateway_jwt_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_jwt_module);

    if (ctx == NULL || ctx->reason == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = ngx_strlen(ctx->reason);
    v->data = (u_char *) ctx->reason;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_gateway_jwt_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static void *
ngx_http_gateway_jwt_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_jwt_main_conf_t  *jmcf;

    jmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_main_conf_t));
    if (jmcf == NULL) {
        return NULL;
    }

    jmcf->cache_size = NGX_CONF_UNSET_SIZE;

    return jmcf;
}


static char *
ngx_http_gateway_jwt_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_gateway_jwt_main_conf_t  *jmcf = conf;

    ngx_conf_init_size_value(jmcf->cache_size, NGX_HTTP_GATEWAY_JWT_CACHE);

    return NGX_CONF_OK;
}


static void *
ngx_http_gateway_jwt_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_jwt_loc_conf_t  *jlcf;

    jlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_loc_conf_t));
    if (jlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     jlcf->algorithms = 0;
     *     jlcf->realm = { 0, NULL };
     *     jlcf->file = { 0, NULL };
     *     jlcf->line = 0;
     *     jlcf->rules_file = { 0, NULL };
     *     jlcf->rules_line = 0;
     */

    jlcf->mode = NGX_CONF_UNSET_UINT;
    jlcf->source = NGX_CONF_UNSET_PTR;
    jlcf->places = NGX_CONF_UNSET_PTR;
    jlcf->types = NGX_CONF_UNSET_PTR;
    jlcf->issuers = NGX_CONF_UNSET_PTR;
    jlcf->audiences = NGX_CONF_UNSET_PTR;
    jlcf->leeway = NGX_CONF_UNSET;
    jlcf->max_lifetime = NGX_CONF_UNSET;
    jlcf->rules = NGX_CONF_UNSET_PTR;

    return jlcf;
}


static char *
ngx_http_gateway_jwt_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_jwt_loc_conf_t *prev = parent;
    ngx_http_gateway_jwt_loc_conf_t *conf = child;

    if (conf->mode == NGX_CONF_UNSET_UINT) {
        conf->file = prev->file;
        conf->line = prev->line;
    }

    ngx_conf_merge_uint_value(conf->mode, prev->mode,
                              NGX_HTTP_GATEWAY_JWT_OFF);
    ngx_conf_merge_ptr_value(conf->source, prev->source, NULL);
    ngx_conf_merge_ptr_value(conf->places, prev->places, NULL);
    ngx_conf_merge_ptr_value(conf->types, prev->types, NULL);
    ngx_conf_merge_ptr_value(conf->issuers, prev->issuers, NULL);
    ngx_conf_merge_ptr_value(conf->audiences, prev->audiences, NULL);
    ngx_conf_merge_sec_value(conf->leeway, prev->leeway, 30);
    ngx_conf_merge_sec_value(conf->max_lifetime, prev->max_lifetime, 0);
    ngx_conf_merge_ptr_value(conf->rules, prev->rules, NULL);
    ngx_conf_merge_str_value(conf->realm, prev->realm, "gateway");

    if (conf->algorithms == 0) {
        conf->algorithms = prev->algorithms;
    }

    if (conf->algorithms == 0) {
        conf->algorithms = NGX_HTTP_GATEWAY_JWT_ES256
                           |NGX_HTTP_GATEWAY_JWT_RS256;
    }

    if (conf->mode == NGX_HTTP_GATEWAY_JWT_OFF) {

        if (conf->rules_line != 0) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"gateway_require\" has no token to ask, add "
                          "\"gateway_jwt on\", in %V:%ui",
                          &conf->rules_file, conf->rules_line);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    return ngx_http_gateway_jwt_check_conf(cf, conf);
}


static char *
ngx_http_gateway_jwt_check_conf(ngx_conf_t *cf,
    ngx_http_gateway_jwt_loc_conf_t *jlcf)
{
    unsigned  algorithms;

    if (jlcf->source == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gateway_jwt\" has no keys here, add "
                      "\"gateway_jwt_key_file\" or "
                      "\"gateway_jwt_key_url\", in %V:%ui",
                      &jlcf->file, jlcf->line);
        return NGX_CONF_ERROR;
    }

    if (jlcf->source->url != NULL) {

        /* which keys there will be is not known yet, but no secrets */

        if (!(jlcf->algorithms & ~NGX_HTTP_GATEWAY_JWT_HS)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"gateway_jwt_algorithms\" allows none of public "
                          "keys, and only those come from \"%V\", for "
                          "\"gateway_jwt\" in %V:%ui", &jlcf->source->name,
                          &jlcf->file, jlcf->line);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    algorithms = ngx_http_gateway_jwt_keys_algorithms(jlcf->source->keys);

    if ((algorithms & NGX_HTTP_GATEWAY_JWT_HS)
        && !(jlcf->algorithms & NGX_HTTP_GATEWAY_JWT_HS))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" holds an HMAC secret where public keys are "
                      "expected: take it out, or name HS256 in "
                      "\"gateway_jwt_algorithms\", for \"gateway_jwt\" in "
                      "%V:%ui",
                      &jlcf->source->name, &jlcf->file, jlcf->line);
        return NGX_CONF_ERROR;
    }

    if (!(algorithms & jlcf->algorithms)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no key in \"%V\" is of a type that "
                      "\"gateway_jwt_algorithms\" allows, for \"gateway_jwt\" "
                      "in %V:%ui",
                      &jlcf->source->name, &jlcf->file, jlcf->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_init_process(ngx_cycle_t *cycle)
{
    ngx_http_gateway_jwt_main_conf_t  *jmcf;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    jmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_gateway_jwt_module);

    if (jmcf == NULL || jmcf->cache_size == 0) {
        return NGX_OK;
    }

    jmcf->cache = ngx_http_gateway_jwt_cache_create(jmcf->cache_size,
                                                    cycle->log);

    return jmcf->cache != NULL ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_gateway_jwt_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_gateway_jwt_main_conf_t  *jmcf;

    jmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_gateway_jwt_module);

    if (jmcf == NULL) {
        return;
    }

    ngx_http_gateway_jwt_cache_free(jmcf->cache);
    jmcf->cache = NULL;
}


static char *
ngx_http_gateway_jwt(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_loc_conf_t *jlcf = conf;

    jlcf->file = cf->conf_file->file.name;
    jlcf->line = cf->conf_file->line;

    return ngx_conf_set_enum_slot(cf, cmd, conf);
}


static char *
ngx_http_gateway_jwt_key_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_loc_conf_t *jlcf = conf;

    ngx_str_t  *value;

    if (jlcf->source != NGX_CONF_UNSET_PTR) {
        return "is duplicate: keys come from one file or one URL";
    }

    value = cf->args->elts;

    jlcf->source = ngx_http_gateway_jwt_source_file(cf, &value[1]);

    return jlcf->source != NULL ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_jwt_key_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_loc_conf_t *jlcf = conf;

    if (jlcf->source != NGX_CONF_UNSET_PTR) {
        return "is duplicate: keys come from one file or one URL";
    }

    jlcf->source = ngx_http_gateway_jwt_source_url(cf);

    return jlcf->source != NULL ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_jwt_algorithms(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_loc_conf_t *jlcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, algorithm;

    if (jlcf->algorithms != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcasecmp(value[i].data, (u_char *) "none") == 0) {
            return "must not name \"none\": such tokens are not signed";
        }

        algorithm = ngx_http_gateway_jwt_algorithm(value[i].data,
                                                   value[i].len);
        if (algorithm == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown algorithm \"%V\", it must be one of "
                               "ES256, ES384, ES512, EdDSA, RS256, RS384, "
                               "RS512, PS256, PS384, PS512, HS256, HS384, "
                               "HS512", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (jlcf->algorithms & algorithm) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate algorithm \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        jlcf->algorithms |= algorithm;
    }

    return NGX_CONF_OK;
}


/* of gateway_jwt_type, gateway_jwt_issuer and gateway_jwt_audience */

static char *
ngx_http_gateway_jwt_strings(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t    *value, *s;
    ngx_uint_t    i;
    ngx_array_t **a;

    a = (ngx_array_t **) (p + cmd->offset);

    if (*a != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    *a = ngx_array_create(cf->pool, cf->args->nelts - 1, sizeof(ngx_str_t));
    if (*a == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        /* an empty type is that of tokens without one */

        if (value[i].len == 0
            && cmd->offset != offsetof(ngx_http_gateway_jwt_loc_conf_t, types))
        {
            return "must not be empty";
        }

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '$')
            != NULL)
        {
            return "cannot have variables";
        }

        s = ngx_array_push(*a);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        *s = value[i];
    }

    return NGX_CONF_OK;
}


/* gateway_require, and where it stands */

static char *
ngx_http_gateway_jwt_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_loc_conf_t *jlcf = conf;

    char  *rv;

    rv = ngx_http_gateway_jwt_require(cf, cmd, conf);

    /* further out it may be for locations that ask for a token */

    if (rv == NGX_CONF_OK && jlcf->rules != NULL
        && (cf->cmd_type & (NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF)))
    {
        jlcf->rules_file = cf->conf_file->file.name;
        jlcf->rules_line = cf->conf_file->line;
    }

    return rv;
}


static char *
ngx_http_gateway_jwt_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_loc_conf_t *jlcf = conf;

    size_t      i;
    ngx_str_t  *value;

    if (jlcf->realm.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < 0x20 || value[1].data[i] > 0x7e
            || value[1].data[i] == '"' || value[1].data[i] == '\\')
        {
            return "must be ASCII without quotes and backslashes";
        }
    }

    jlcf->realm = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_jwt_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_jwt_main_conf_t *jmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (jmcf->cache_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        jmcf->cache_size = 0;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size < 65536) {
        return "must be off, or a size of at least 64k";
    }

    jmcf->cache_size = size;

    return NGX_CONF_OK;
}
