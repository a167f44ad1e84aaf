/*
 * Copyright (C) the Warren authors
 *
 * The addresses of a broker: those found when the configuration was read, and
 * what the resolver says of its names each time they are needed again.
 */


#include "ngx_amqp_private.h"


static void ngx_amqp_address_handler(ngx_resolver_ctx_t *ctx);
static ngx_uint_t ngx_amqp_address_same(ngx_amqp_target_t *target,
    ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_amqp_address_take(ngx_amqp_target_t *target,
    ngx_resolver_ctx_t *ctx, ngx_log_t *log);
static void ngx_amqp_address_failed(ngx_amqp_connection_t *ac, char *reason);


ngx_int_t
ngx_amqp_address_init(ngx_amqp_connection_t *ac)
{
    ngx_uint_t          i;
    ngx_amqp_url_t     *urls;
    ngx_amqp_target_t  *target;

    urls = ac->broker->urls->elts;

    ac->targets = ngx_pcalloc(ac->pool, ac->broker->urls->nelts
                                        * sizeof(ngx_amqp_target_t));
    if (ac->targets == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ac->broker->urls->nelts; i++) {
        target = &ac->targets[ac->ntargets];
        target->url = &urls[i];

        if (urls[i].addrs) {
            target->addrs = urls[i].addrs;
            target->naddrs = urls[i].naddrs;
        }

        if (urls[i].named && ac->broker->resolver) {

            /* a copy: the resolver turns it into lower case in its place */

            target->name.data = ngx_pstrdup(ac->pool, &urls[i].host);
            if (target->name.data == NULL) {
                return NGX_ERROR;
            }

            target->name.len = urls[i].host.len;
        }

        if (target->naddrs || target->name.len) {
            ac->ntargets++;
        }
    }

    return NGX_OK;
}


void
ngx_amqp_address_free(ngx_amqp_connection_t *ac)
{
    ngx_uint_t  i;

    for (i = 0; i < ac->ntargets; i++) {
        ngx_amqp_tls_forget(&ac->targets[i]);

        if (ac->targets[i].pool) {
            ngx_destroy_pool(ac->targets[i].pool);
        }
    }
}


ngx_amqp_target_t *
ngx_amqp_target(ngx_amqp_connection_t *ac)
{
    return &ac->targets[ac->target];
}


ngx_addr_t *
ngx_amqp_address(ngx_amqp_connection_t *ac)
{
    ngx_amqp_target_t  *target;

    target = ngx_amqp_target(ac);

    return target->naddrs ? &target->addrs[ac->addr] : NULL;
}


void
ngx_amqp_address_next(ngx_amqp_connection_t *ac)
{
    ac->addr++;

    if (ac->addr < ngx_amqp_target(ac)->naddrs) {
        return;
    }

    ac->addr = 0;
    ac->target = (ac->target + 1) % ac->ntargets;
    ac->asked = 0;
}


ngx_uint_t
ngx_amqp_address_count(ngx_amqp_connection_t *ac)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < ac->ntargets; i++) {

        /* a name without an address has its turn, too */

        n += ngx_max(ac->targets[i].naddrs, 1);
    }

    return n;
}


ngx_int_t
ngx_amqp_address_ask(ngx_amqp_connection_t *ac)
{
    ngx_amqp_target_t   *target;
    ngx_resolver_ctx_t  *ctx;

    target = ngx_amqp_target(ac);

    if (target->name.len == 0 || ac->asked) {
        return NGX_OK;
    }

    ac->asked = 1;

    ngx_amqp_set_state(ac, ngx_amqp_st_resolving);

    ctx = ngx_resolve_start(ac->broker->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_amqp_address_failed(ac, "no memory");
        return NGX_OK;
    }

    ctx->name = target->name;
    ctx->handler = ngx_amqp_address_handler;
    ctx->data = ac;
    ctx->timeout = ac->broker->resolver_timeout;
    ctx->cancelable = 1;

    /* the handler may run before ngx_resolve_name() returns */

    ac->query = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {

        /* ctx is gone, and its handler will not run */

        ac->query = NULL;
        ngx_amqp_address_failed(ac, "it cannot be asked for");
    }

    return ac->query ? NGX_AGAIN : NGX_OK;
}


void
ngx_amqp_address_cancel(ngx_amqp_connection_t *ac)
{
    if (ac->query) {
        ngx_resolve_name_done(ac->query);
        ac->query = NULL;
    }
}


static void
ngx_amqp_address_handler(ngx_resolver_ctx_t *ctx)
{
    unsigned                async;
    ngx_amqp_target_t      *target;
    ngx_amqp_connection_t  *ac;

    ac = ctx->data;
    async = ctx->async;
    target = ngx_amqp_target(ac);

    if (ctx->state != NGX_OK) {
        ngx_amqp_address_failed(ac, ngx_resolver_strerror(ctx->state));

    } else if (!ngx_amqp_address_same(target, ctx)) {

        if (ngx_amqp_address_take(target, ctx, ac->pool->log) == NGX_OK) {
            ac->addr = 0;

            ngx_log_error(NGX_LOG_INFO, &ac->log, 0,
                          "broker's name \"%V\" has other addresses now, the "
                          "first of %ui is %V", &target->url->host,
                          target->naddrs, &target->addrs[0].name);

        } else {
            ngx_amqp_address_failed(ac, "no memory");
        }
    }

    ngx_resolve_name_done(ctx);
    ac->query = NULL;

    /* otherwise ngx_amqp_address_ask() has not returned yet */

    if (async) {
        ngx_amqp_dial(ac);
    }
}


/*
 * The resolver shuffles its answers.  As long as they are the same ones our
 * order stays, so that each address has its turn.
 */

static ngx_uint_t
ngx_amqp_address_same(ngx_amqp_target_t *target, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t   i, j;
    ngx_addr_t  *addr;

    if (target->naddrs != ctx->naddrs) {
        return 0;
    }

    for (i = 0; i < ctx->naddrs; i++) {

        for (j = 0; j < target->naddrs; j++) {
            addr = &target->addrs[j];

            if (ngx_cmp_sockaddr(addr->sockaddr, addr->socklen,
                                 ctx->addrs[i].sockaddr, ctx->addrs[i].socklen,
                                 0)
                == NGX_OK)
            {
                break;
            }
        }

        if (j == target->naddrs) {
            return 0;
        }
    }

    return 1;
}


/* what the resolver says is its own and gone when the handler returns */

static ngx_int_t
ngx_amqp_address_take(ngx_amqp_target_t *target, ngx_resolver_ctx_t *ctx,
    ngx_log_t *log)
{
    socklen_t         socklen;
    ngx_uint_t        i;
    ngx_addr_t       *addrs;
    ngx_pool_t       *pool;
    struct sockaddr  *sockaddr;

    pool = ngx_create_pool(1024, log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    addrs = ngx_pcalloc(pool, ctx->naddrs * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        goto failed;
    }

    for (i = 0; i < ctx->naddrs; i++) {
        socklen = ctx->addrs[i].socklen;

        sockaddr = ngx_palloc(pool, socklen);
        addrs[i].name.data = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

        if (sockaddr == NULL || addrs[i].name.data == NULL) {
            goto failed;
        }

        ngx_memcpy(sockaddr, ctx->addrs[i].sockaddr, socklen);
        ngx_inet_set_port(sockaddr, target->url->port);

        addrs[i].sockaddr = sockaddr;
        addrs[i].socklen = socklen;
        addrs[i].name.len = ngx_sock_ntop(sockaddr, socklen,
                                          addrs[i].name.data,
                                          NGX_SOCKADDR_STRLEN, 1);
    }

    if (target->pool) {
        ngx_destroy_pool(target->pool);
    }

    target->pool = pool;
    target->addrs = addrs;
    target->naddrs = ctx->naddrs;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


static void
ngx_amqp_address_failed(ngx_amqp_connection_t *ac, char *reason)
{
    char               *rest;
    ngx_amqp_target_t  *target;

    target = ngx_amqp_target(ac);

    if (target->pool) {
        rest = "the addresses of its last answer are used";

    } else if (target->naddrs) {
        rest = "the addresses found at start are used";

    } else {
        rest = "no address of it is known";
    }

    ngx_log_error(NGX_LOG_WARN, &ac->log, 0,
                  "broker's name \"%V\" was not resolved: %s, %s",
                  &target->url->host, reason, rest);
}
