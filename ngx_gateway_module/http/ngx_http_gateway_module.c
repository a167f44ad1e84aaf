/*
 * Copyright (C) the Warren authors
 *
 * The gateway's core: brokers, a connection of each worker process to each of
 * them, and where it is counted.
 */

#include "ngx_http_gateway_private.h"


/* how often a process writes down how its connections are, ms */
#define NGX_HTTP_GATEWAY_REPORT  250


static void *ngx_http_gateway_create_main_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_gateway_postconfiguration(ngx_conf_t *cf);
static void ngx_http_gateway_resolver(ngx_conf_t *cf,
    ngx_http_gateway_main_conf_t *gmcf);
static ngx_int_t ngx_http_gateway_init_process(ngx_cycle_t *cycle);
static void ngx_http_gateway_exit_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_gateway_report_init(ngx_cycle_t *cycle,
    ngx_http_gateway_main_conf_t *gmcf);
static void ngx_http_gateway_report(ngx_event_t *ev);


static ngx_command_t  ngx_http_gateway_commands[] = {

    { ngx_string("gateway_broker"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_gateway_broker_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_postconfiguration,    /* postconfiguration */

    ngx_http_gateway_create_main_conf,     /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_module_ctx,          /* module context */
    ngx_http_gateway_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gateway_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gateway_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_amqp_connection_t *
ngx_http_gateway_connection(const ngx_amqp_broker_t *broker)
{
    const ngx_http_gateway_link_t  *link;

    /* every broker is the first member of its link */
    link = (const ngx_http_gateway_link_t *) broker;

    return link->connection;
}


ngx_amqp_broker_t *
ngx_http_gateway_broker(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_gateway_link_t       *link;
    ngx_http_gateway_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    link = ngx_http_gateway_link(gmcf, name);

    if (link) {
        return &link->broker;
    }

    if (name->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown broker \"%V\", define it with "
                           "\"gateway_broker %V { ... }\"", name, name);

    } else if (gmcf->links.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no broker is defined, add \"gateway_broker NAME "
                           "{ ... }\" to \"http\"");

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there are %ui brokers, choose one with "
                           "\"gateway_use NAME\"", gmcf->links.nelts);
    }

    return NULL;
}


static void *
ngx_http_gateway_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_main_conf_t  *gmcf;

    gmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_main_conf_t));
    if (gmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&gmcf->links, cf->pool, 1,
                       sizeof(ngx_http_gateway_link_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&gmcf->routes, cf->pool, 16,
                       sizeof(ngx_http_gateway_route_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return gmcf;
}


static ngx_int_t
ngx_http_gateway_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_gateway_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    ngx_http_gateway_resolver(cf, gmcf);

    if (ngx_http_gateway_target_check(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (gmcf->zone) {
        return NGX_OK;
    }

    return ngx_http_gateway_stats_init(cf, gmcf);
}


/*
 * All levels are read and merged by now, but what "http" itself has is merged
 * into nothing: its resolver is NULL, or a dummy without servers made for the
 * levels below, when none is set, and its timeout may be unset.
 */

static void
ngx_http_gateway_resolver(ngx_conf_t *cf, ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_uint_t                  i;
    ngx_amqp_broker_t          *broker;
    ngx_http_gateway_link_t   **link;
    ngx_http_core_loc_conf_t   *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        return;
    }

    link = gmcf->links.elts;

    for (i = 0; i < gmcf->links.nelts; i++) {
        broker = &link[i]->broker;

        broker->resolver = clcf->resolver;
        broker->resolver_timeout = clcf->resolver_timeout;

        if (broker->resolver_timeout == NGX_CONF_UNSET_MSEC
            || broker->resolver_timeout == 0)
        {
            /* 30s, or no end at all, keep us too long from what we know */

            broker->resolver_timeout = broker->connect_timeout;
        }
    }
}


static ngx_int_t
ngx_http_gateway_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                     i;
    ngx_core_conf_t               *ccf;
    ngx_http_gateway_link_t      **link;
    ngx_http_gateway_main_conf_t  *gmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gateway_module);

    if (gmcf == NULL || gmcf->links.nelts == 0) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    gmcf->nworkers = (ngx_process == NGX_PROCESS_SINGLE
                      || gmcf->zone == NULL) ? 1 : ccf->worker_processes;

    link = gmcf->links.elts;

    for (i = 0; i < gmcf->links.nelts; i++) {

        link[i]->peer = ngx_http_gateway_peer_acquire(cycle, gmcf,
                                                      &link[i]->broker.name);
        if (link[i]->peer == NULL) {
            return NGX_ERROR;
        }

        link[i]->started = ngx_current_msec;

        link[i]->connection = ngx_amqp_connect(cycle, &link[i]->broker,
                                               &gmcf->stats->amqp);
        if (link[i]->connection == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_gateway_flight_acquire(cycle, gmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_gateway_report_init(cycle, gmcf);
}


static void
ngx_http_gateway_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                     i;
    ngx_http_gateway_link_t      **link;
    ngx_http_gateway_main_conf_t  *gmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gateway_module);

    if (gmcf == NULL) {
        return;
    }

    if (gmcf->report && gmcf->report->timer_set) {
        ngx_del_timer(gmcf->report);
    }

    link = gmcf->links.elts;

    for (i = 0; i < gmcf->links.nelts; i++) {

        if (link[i]->connection) {
            ngx_amqp_close(link[i]->connection);
            link[i]->connection = NULL;
        }

        if (link[i]->peer) {
            ngx_http_gateway_peer_release(link[i]->peer);
            link[i]->peer = NULL;
        }
    }

    ngx_http_gateway_flight_release(gmcf);
}


static ngx_int_t
ngx_http_gateway_report_init(ngx_cycle_t *cycle,
    ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_event_t  *ev;

    ev = ngx_pcalloc(cycle->pool, sizeof(ngx_event_t));
    if (ev == NULL) {
        return NGX_ERROR;
    }

    ev->handler = ngx_http_gateway_report;
    ev->data = gmcf;
    ev->log = cycle->log;
    ev->cancelable = 1;

    gmcf->report = ev;

    ngx_add_timer(ev, NGX_HTTP_GATEWAY_REPORT);

    return NGX_OK;
}


static void
ngx_http_gateway_report(ngx_event_t *ev)
{
    ngx_http_gateway_main_conf_t  *gmcf = ev->data;

    ngx_uint_t                 i;
    ngx_http_gateway_link_t  **link;

    link = gmcf->links.elts;

    for (i = 0; i < gmcf->links.nelts; i++) {
        ngx_http_gateway_peer_report(link[i]);
    }

    if (!ngx_exiting) {
        ngx_add_timer(ev, NGX_HTTP_GATEWAY_REPORT);
    }
}
