/*
 * Copyright (C) the Warren authors
 *
 * What the gateway tells of itself: counters in Prometheus' text form, and
 * whether it is ready.  No label is made of what a client sent.
 */

#include "ngx_http_gateway_private.h"


/* a piece of the text; a line is shorter than what is kept free of it */
#define NGX_HTTP_GATEWAY_TEXT_PIECE  16384
#define NGX_HTTP_GATEWAY_TEXT_LINE   4096

/* a route's name in a label; what is beyond is left out */
#define NGX_HTTP_GATEWAY_LABEL_MAX   512


/* text that grows by pieces in the request's pool */

typedef struct {
    ngx_pool_t        *pool;
    ngx_chain_t       *first;
    ngx_chain_t      **last;
    ngx_buf_t         *buf;
    off_t              size;
    unsigned           failed:1;
} ngx_http_gateway_text_t;


static char *ngx_http_gateway_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_ready(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_gateway_metrics_begin(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_metrics_handler(ngx_http_request_t *r);
static void ngx_http_gateway_metrics_totals(ngx_http_gateway_text_t *t,
    ngx_http_gateway_stats_t *stats);
static void ngx_http_gateway_metrics_routes(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf);
static void ngx_http_gateway_metrics_outcomes(ngx_http_gateway_text_t *t,
    ngx_http_gateway_route_stats_t *stats, ngx_str_t *label);
static void ngx_http_gateway_metrics_histogram(ngx_http_gateway_text_t *t,
    ngx_http_gateway_route_stats_t *stats, ngx_str_t *label);
static ngx_uint_t ngx_http_gateway_metrics_is_first(
    ngx_http_gateway_main_conf_t *gmcf, ngx_uint_t n);
static void ngx_http_gateway_metrics_flights(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf, ngx_array_t *flights);
static void ngx_http_gateway_metrics_breakers(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf);
static void ngx_http_gateway_metrics_peers(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf, ngx_array_t *peers);
static void ngx_http_gateway_metrics_label(ngx_str_t *name, u_char *buf,
    ngx_str_t *label);
static ngx_int_t ngx_http_gateway_ready_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_ready_refuse(ngx_http_request_t *r,
    ngx_http_gateway_main_conf_t *gmcf, ngx_array_t *peers, ngx_uint_t ready,
    ngx_uint_t wanted);
static void ngx_http_gateway_metrics_report(
    ngx_http_gateway_main_conf_t *gmcf);
static void ngx_http_gateway_text_init(ngx_http_gateway_text_t *t,
    ngx_pool_t *pool);
static void ngx_http_gateway_text_put(ngx_http_gateway_text_t *t,
    const char *fmt, ...);
static void ngx_http_gateway_text_family(ngx_http_gateway_text_t *t,
    char *name, char *type, char *help);
static ngx_int_t ngx_http_gateway_text_send(ngx_http_request_t *r,
    ngx_http_gateway_text_t *t, ngx_str_t *type);


static ngx_command_t  ngx_http_gateway_metrics_commands[] = {

    { ngx_string("gateway_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gateway_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_ready"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gateway_ready,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_metrics_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_metrics_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_metrics_module_ctx,  /* module context */
    ngx_http_gateway_metrics_commands,     /* module directives */
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


/* counters of the whole, in the order they are printed */

static struct {
    char      *name;
    char      *help;
    size_t     offset;
} ngx_http_gateway_totals[] = {
    { "gateway_requests",
      "Requests that reached a route.",
      offsetof(ngx_http_gateway_stats_t, requests) },
    { "gateway_replies",
      "Replies of workers passed to clients.",
      offsetof(ngx_http_gateway_stats_t, replied) },
    { "gateway_clients_gone",
      "Clients that left before the reply.",
      offsetof(ngx_http_gateway_stats_t, client_gone) },
    { "gateway_jwt_verified",
      "Tokens accepted.",
      offsetof(ngx_http_gateway_stats_t, jwt_verified) },
    { "gateway_jwt_refused",
      "Tokens refused or missing.",
      offsetof(ngx_http_gateway_stats_t, jwt_refused) },
    { "gateway_jwt_cache_hits",
      "Tokens found in the cache of verified ones.",
      offsetof(ngx_http_gateway_stats_t, jwt_cache_hits) },
    { "gateway_jwt_cache_misses",
      "Tokens not found in the cache of verified ones.",
      offsetof(ngx_http_gateway_stats_t, jwt_cache_misses) },
    { "gateway_jwt_key_fetches",
      "Attempts to fetch keys from a URL.",
      offsetof(ngx_http_gateway_stats_t, jwt_key_fetches) },
    { "gateway_jwt_key_failures",
      "Attempts to fetch keys that brought none.",
      offsetof(ngx_http_gateway_stats_t, jwt_key_failures) },
    { "gateway_limit_passed",
      "Requests within their limits.",
      offsetof(ngx_http_gateway_stats_t, limit_passed) },
    { "gateway_limit_refused",
      "Requests over a limit.",
      offsetof(ngx_http_gateway_stats_t, limit_refused) },
    { "gateway_limit_delayed",
      "Requests that waited for their turn.",
      offsetof(ngx_http_gateway_stats_t, limit_delayed) },
    { "gateway_limit_dry",
      "Requests that a limit in dry run would have refused.",
      offsetof(ngx_http_gateway_stats_t, limit_dry) },
    { "gateway_limit_evicted",
      "Keys of limits that made room for others.",
      offsetof(ngx_http_gateway_stats_t, limit_evicted) },
    { "gateway_limit_sync_sent",
      "Messages to other nodes about what was spent.",
      offsetof(ngx_http_gateway_stats_t, sync_sent) },
    { "gateway_limit_sync_received",
      "Messages of other nodes about what was spent.",
      offsetof(ngx_http_gateway_stats_t, sync_received) },
    { "gateway_limit_sync_refused",
      "Messages about what was spent that were malformed.",
      offsetof(ngx_http_gateway_stats_t, sync_refused) },
    { "gateway_limit_sync_foreign",
      "Messages about what was spent that were not of a gateway.",
      offsetof(ngx_http_gateway_stats_t, sync_amqp.foreign) },
    { "gateway_limit_sync_dropped",
      "Amounts that other nodes were not told, for want of a broker.",
      offsetof(ngx_http_gateway_stats_t, sync_dropped) },
    { "gateway_limit_sync_connects",
      "Times a connection to other nodes became ready.",
      offsetof(ngx_http_gateway_stats_t, sync_amqp.connects) },
    { "gateway_stream_opened",
      "Streams that were begun.",
      offsetof(ngx_http_gateway_stats_t, stream_opened) },
    { "gateway_stream_refused",
      "Streams that were refused: too many, or no broker.",
      offsetof(ngx_http_gateway_stats_t, stream_refused) },
    { "gateway_stream_resumed",
      "Streams whose client told the last event that it has.",
      offsetof(ngx_http_gateway_stats_t, stream_resumed) },
    { "gateway_stream_events",
      "Events written to streams.",
      offsetof(ngx_http_gateway_stats_t, stream_events) },
    { "gateway_stream_doubles",
      "Events that a resumed stream had already.",
      offsetof(ngx_http_gateway_stats_t, stream_doubles) },
    { "gateway_stream_slow",
      "Streams that were cut off since their client did not read.",
      offsetof(ngx_http_gateway_stats_t, stream_slow) },
    { "gateway_stream_dropped",
      "Times that a full queue lost events, by which all streams end.",
      offsetof(ngx_http_gateway_stats_t, stream_dropped) },
    { "gateway_stream_foreign",
      "Messages for streams that were not of the believed user.",
      offsetof(ngx_http_gateway_stats_t, stream_amqp.foreign) },
    { "gateway_stream_connects",
      "Times a connection of streams became ready.",
      offsetof(ngx_http_gateway_stats_t, stream_amqp.connects) },
    { "gateway_amqp_connects",
      "Times a connection became ready.",
      offsetof(ngx_http_gateway_stats_t, amqp.connects) },
    { "gateway_amqp_disconnects",
      "Times a ready connection was lost.",
      offsetof(ngx_http_gateway_stats_t, amqp.disconnects) },
    { "gateway_amqp_blocked",
      "Times a broker in alarm blocked a connection.",
      offsetof(ngx_http_gateway_stats_t, amqp.blocked) },
    { "gateway_amqp_published",
      "Calls published.",
      offsetof(ngx_http_gateway_stats_t, amqp.published) },
    { "gateway_amqp_replies",
      "Replies received for calls in flight.",
      offsetof(ngx_http_gateway_stats_t, amqp.replies) },
    { "gateway_amqp_returned",
      "Calls returned because nobody serves them.",
      offsetof(ngx_http_gateway_stats_t, amqp.returned) },
    { "gateway_amqp_nacked",
      "Calls refused by a full queue.",
      offsetof(ngx_http_gateway_stats_t, amqp.nacked) },
    { "gateway_amqp_late",
      "Replies to calls that had ended or never were.",
      offsetof(ngx_http_gateway_stats_t, amqp.late) },
    { "gateway_amqp_foreign",
      "Replies whose sender is not the called service.",
      offsetof(ngx_http_gateway_stats_t, amqp.foreign) },
    { "gateway_amqp_received_bytes",
      "Bytes received from brokers.",
      offsetof(ngx_http_gateway_stats_t, amqp.bytes_in) },
    { "gateway_amqp_sent_bytes",
      "Bytes sent to brokers.",
      offsetof(ngx_http_gateway_stats_t, amqp.bytes_out) }
};

#define NGX_HTTP_GATEWAY_TOTALS                                               \
    (sizeof(ngx_http_gateway_totals) / sizeof(ngx_http_gateway_totals[0]))


static char *
ngx_http_gateway_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gateway_metrics_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gateway_ready_handler;

    return NGX_CONF_OK;
}


/* NGX_OK, or what the handler returns */

static ngx_int_t
ngx_http_gateway_metrics_begin(ngx_http_request_t *r)
{
    ngx_str_t  allow;

    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return ngx_http_discard_request_body(r);
    }

    ngx_str_set(&allow, "GET, HEAD");

    if (ngx_http_gateway_header_out(r, "Allow", &allow, NULL) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gateway_refuse(r, WIRE_ERROR_METHOD_NOT_ALLOWED, NULL);
}


static ngx_int_t
ngx_http_gateway_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_array_t                    peers, flights;
    ngx_http_gateway_text_t        t;
    ngx_http_gateway_main_conf_t  *gmcf;

    static ngx_str_t  type = ngx_string("text/plain; version=0.0.4; "
                                        "charset=utf-8");

    rc = ngx_http_gateway_metrics_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gateway_module);

    ngx_http_gateway_metrics_report(gmcf);

    if (ngx_http_gateway_peers(gmcf, r->pool, &peers) != NGX_OK
        || ngx_http_gateway_flights(gmcf, r->pool, &flights) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_gateway_text_init(&t, r->pool);

    ngx_http_gateway_metrics_totals(&t, gmcf->stats);
    ngx_http_gateway_metrics_routes(&t, gmcf);
    ngx_http_gateway_metrics_flights(&t, gmcf, &flights);
    ngx_http_gateway_metrics_breakers(&t, gmcf);
    ngx_http_gateway_metrics_peers(&t, gmcf, &peers);

    return ngx_http_gateway_text_send(r, &t, &type);
}


static void
ngx_http_gateway_metrics_totals(ngx_http_gateway_text_t *t,
    ngx_http_gateway_stats_t *stats)
{
    char          name[64];
    ngx_uint_t    i;
    ngx_atomic_t *counter;

    for (i = 0; i < NGX_HTTP_GATEWAY_TOTALS; i++) {
        (void) ngx_snprintf((u_char *) name, sizeof(name), "%s_total%Z",
                            ngx_http_gateway_totals[i].name);

        counter = (ngx_atomic_t *) ((u_char *) stats
                                    + ngx_http_gateway_totals[i].offset);

        ngx_http_gateway_text_family(t, name, "counter",
                                     ngx_http_gateway_totals[i].help);
        ngx_http_gateway_text_put(t, "%s %uA\n", name, *counter);
    }

    ngx_http_gateway_text_family(t, "gateway_errors_total", "counter",
                                 "Errors of the gateway by name.");

    for (i = 0; i < WIRE_ERROR_COUNT; i++) {
        ngx_http_gateway_text_put(t,
                                  "gateway_errors_total{error=\"%s\"} %uA\n",
                                  wire_error_info(i)->name,
                                  stats->outcomes[i]);
    }
}


static void
ngx_http_gateway_metrics_routes(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf)
{
    u_char                      buf[2 * NGX_HTTP_GATEWAY_LABEL_MAX];
    ngx_str_t                   label;
    ngx_uint_t                  i, n;
    ngx_http_gateway_route_t  **route;

    static struct {
        char    *name;
        char    *help;
        size_t   offset;
    } counters[] = {
        { "gateway_route_retries_total",
          "Calls sent again by gateway_retry.",
          offsetof(ngx_http_gateway_route_stats_t, retries) },
        { "gateway_route_fallbacks_total",
          "Requests that went where gateway_fallback says.",
          offsetof(ngx_http_gateway_route_stats_t, fallbacks) },
        { "gateway_route_canaries_total",
          "Requests that a gateway_canary took elsewhere.",
          offsetof(ngx_http_gateway_route_stats_t, canaries) }
    };

    route = gmcf->routes.elts;

    ngx_http_gateway_text_family(t, "gateway_route_requests_total", "counter",
                                 "Calls by route and how they ended.");

    for (i = 0; i < gmcf->routes.nelts; i++) {
        if (ngx_http_gateway_metrics_is_first(gmcf, i)) {
            ngx_http_gateway_metrics_label(&route[i]->name, buf, &label);
            ngx_http_gateway_metrics_outcomes(t, route[i]->stats, &label);
        }
    }

    for (n = 0; n < sizeof(counters) / sizeof(counters[0]); n++) {

        ngx_http_gateway_text_family(t, counters[n].name, "counter",
                                     counters[n].help);

        for (i = 0; i < gmcf->routes.nelts; i++) {
            if (ngx_http_gateway_metrics_is_first(gmcf, i)) {
                ngx_http_gateway_metrics_label(&route[i]->name, buf, &label);
                ngx_http_gateway_text_put(t, "%s{route=\"%V\"} %uA\n",
                                          counters[n].name, &label,
                                          *(ngx_atomic_t *)
                                           ((u_char *) route[i]->stats
                                            + counters[n].offset));
            }
        }
    }

    ngx_http_gateway_text_family(t, "gateway_route_duration_seconds",
                                 "histogram",
                                 "Time from the body to the end of a call.");

    for (i = 0; i < gmcf->routes.nelts; i++) {
        if (ngx_http_gateway_metrics_is_first(gmcf, i)) {
            ngx_http_gateway_metrics_label(&route[i]->name, buf, &label);
            ngx_http_gateway_metrics_histogram(t, route[i]->stats, &label);
        }
    }
}


/* routes of equal names share their counters, which are printed once */

static ngx_uint_t
ngx_http_gateway_metrics_is_first(ngx_http_gateway_main_conf_t *gmcf,
    ngx_uint_t n)
{
    ngx_uint_t                  i;
    ngx_http_gateway_route_t  **route;

    route = gmcf->routes.elts;

    for (i = 0; i < n; i++) {
        if (route[i]->stats == route[n]->stats) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_gateway_metrics_outcomes(ngx_http_gateway_text_t *t,
    ngx_http_gateway_route_stats_t *stats, ngx_str_t *label)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATEWAY_CLASSES; i++) {
        ngx_http_gateway_text_put(t,
                                  "gateway_route_requests_total{route=\"%V\","
                                  "outcome=\"%uixx\"} %uA\n",
                                  label, i + 2, stats->replies[i]);
    }

    for (i = 0; i < WIRE_ERROR_COUNT; i++) {

        /* most never happen to a route: written when they have */

        if (stats->outcomes[i] == 0) {
            continue;
        }

        ngx_http_gateway_text_put(t,
                                  "gateway_route_requests_total{route=\"%V\","
                                  "outcome=\"%s\"} %uA\n",
                                  label, wire_error_info(i)->name,
                                  stats->outcomes[i]);
    }

    ngx_http_gateway_text_put(t,
                              "gateway_route_requests_total{route=\"%V\","
                              "outcome=\"client_gone\"} %uA\n",
                              label, stats->client_gone);
}


static void
ngx_http_gateway_metrics_histogram(ngx_http_gateway_text_t *t,
    ngx_http_gateway_route_stats_t *stats, ngx_str_t *label)
{
    uint64_t           usec;
    ngx_uint_t         i;
    ngx_atomic_uint_t  sum;

    sum = 0;

    for (i = 0; i < NGX_HTTP_GATEWAY_BUCKETS; i++) {
        sum += stats->buckets[i];
        usec = ngx_http_gateway_stats_bucket(i);

        ngx_http_gateway_text_put(t,
                                  "gateway_route_duration_seconds_bucket"
                                  "{route=\"%V\",le=\"%uL.%04uL\"} %uA\n",
                                  label, usec / 1000000, usec % 1000000 / 100,
                                  sum);
    }

    sum += stats->buckets[i];
    usec = stats->duration_usec;

    ngx_http_gateway_text_put(t,
                              "gateway_route_duration_seconds_bucket"
                              "{route=\"%V\",le=\"+Inf\"} %uA\n", label, sum);
    ngx_http_gateway_text_put(t,
                              "gateway_route_duration_seconds_sum"
                              "{route=\"%V\"} %uL.%06uL\n",
                              label, usec / 1000000, usec % 1000000);
    ngx_http_gateway_text_put(t,
                              "gateway_route_duration_seconds_count"
                              "{route=\"%V\"} %uA\n", label, sum);
}


static void
ngx_http_gateway_metrics_flights(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf, ngx_array_t *flights)
{
    u_char                      buf[2 * NGX_HTTP_GATEWAY_LABEL_MAX];
    ngx_str_t                   label;
    ngx_uint_t                  i;
    ngx_http_gateway_route_t  **route;

    route = gmcf->routes.elts;

    ngx_http_gateway_text_family(t, "gateway_route_inflight", "gauge",
                                 "Requests in flight by route.");

    for (i = 0; i < gmcf->routes.nelts; i++) {

        if (!ngx_http_gateway_metrics_is_first(gmcf, i)) {
            continue;
        }

        ngx_http_gateway_metrics_label(&route[i]->name, buf, &label);
        ngx_http_gateway_text_put(t,
                                  "gateway_route_inflight{route=\"%V\"} %uA\n",
                                  &label,
                                  ngx_http_gateway_flight_sum(flights,
                                                           route[i]->stats));
    }
}


static void
ngx_http_gateway_metrics_breakers(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_uint_t                        i, n, count;
    ngx_http_gateway_breaker_stats_t  stats;

    static struct {
        char    *name;
        char    *type;
        char    *help;
    } families[] = {
        { "gateway_breaker_state", "gauge",
          "Circuit breaker of a service: 0 closed, 1 half open, 2 open." },
        { "gateway_breaker_opened_total", "counter",
          "Times that a circuit breaker opened." },
        { "gateway_breaker_refused_total", "counter",
          "Calls that a circuit breaker refused." }
    };

    count = gmcf->breakers ? gmcf->breakers->nelts : 0;

    for (n = 0; n < sizeof(families) / sizeof(families[0]); n++) {

        ngx_http_gateway_text_family(t, families[n].name, families[n].type,
                                     families[n].help);

        for (i = 0; i < count; i++) {
            ngx_http_gateway_breaker_stats(gmcf, i, &stats);
            ngx_http_gateway_text_put(t, "%s{service=\"%V\"} %uA\n",
                                      families[n].name, &stats.service,
                                      n == 0 ? stats.state
                                             : n == 1 ? stats.opened
                                                      : stats.refused);
        }
    }
}


/*
 * Processes of an older configuration still finish their requests: they are
 * counted in flight, and are no connection of this one.
 */

static void
ngx_http_gateway_metrics_peers(ngx_http_gateway_text_t *t,
    ngx_http_gateway_main_conf_t *gmcf, ngx_array_t *peers)
{
    ngx_uint_t                i, n;
    ngx_atomic_uint_t         inflight;
    ngx_http_gateway_peer_t  *peer;

    static struct {
        char    *name;
        char    *help;
        size_t   offset;
    } gauges[] = {
        { "gateway_connection_ready",
          "Whether a worker process can send calls to a broker.",
          offsetof(ngx_http_gateway_peer_t, is_ready) },
        { "gateway_connection_blocked",
          "Whether a broker in alarm blocks a worker process.",
          offsetof(ngx_http_gateway_peer_t, is_blocked) },
        { "gateway_connection_inflight",
          "Requests of a worker process in flight to a broker.",
          offsetof(ngx_http_gateway_peer_t, inflight) },
        { "gateway_streams",
          "Streams of a worker process, those that wait as well.",
          offsetof(ngx_http_gateway_peer_t, streams) }
    };

    peer = peers->elts;
    inflight = 0;

    for (i = 0; i < peers->nelts; i++) {
        inflight += peer[i].inflight;
    }

    ngx_http_gateway_text_family(t, "gateway_inflight", "gauge",
                                 "Requests in flight.");
    ngx_http_gateway_text_put(t, "gateway_inflight %uA\n", inflight);

    for (n = 0; n < sizeof(gauges) / sizeof(gauges[0]); n++) {

        ngx_http_gateway_text_family(t, gauges[n].name, "gauge",
                                     gauges[n].help);

        for (i = 0; i < peers->nelts; i++) {

            if (peer[i].generation != gmcf->generation) {
                continue;
            }

            ngx_http_gateway_text_put(t,
                                      "%s{broker=\"%s\",worker=\"%uA\"} %uA\n",
                                      gauges[n].name, peer[i].broker,
                                      peer[i].worker,
                                      *(ngx_atomic_t *) ((u_char *) &peer[i]
                                                         + gauges[n].offset));
        }
    }

    ngx_http_gateway_text_family(t, "gateway_connection_state", "gauge",
                                 "The state of each connection: 1.");

    for (i = 0; i < peers->nelts; i++) {

        if (peer[i].generation == gmcf->generation) {
            ngx_http_gateway_text_put(t,
                                      "gateway_connection_state{broker=\"%s\","
                                      "worker=\"%uA\",state=\"%s\"} 1\n",
                                      peer[i].broker, peer[i].worker,
                                      peer[i].state);
        }
    }
}


static void
ngx_http_gateway_metrics_label(ngx_str_t *name, u_char *buf, ngx_str_t *label)
{
    u_char  *p;
    size_t   i;

    p = buf;

    for (i = 0; i < name->len && i < NGX_HTTP_GATEWAY_LABEL_MAX; i++) {

        if (name->data[i] == '"' || name->data[i] == '\\') {
            *p++ = '\\';
            *p++ = name->data[i];

        } else if (name->data[i] == LF) {
            *p++ = '\\';
            *p++ = 'n';

        } else {
            *p++ = name->data[i];
        }
    }

    label->data = buf;
    label->len = p - buf;
}


static ngx_int_t
ngx_http_gateway_ready_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_uint_t                     i, ready, wanted;
    ngx_array_t                    peers;
    ngx_http_gateway_peer_t       *peer;
    ngx_http_gateway_text_t        t;
    ngx_http_gateway_main_conf_t  *gmcf;

    static ngx_str_t  type = ngx_string(WIRE_CONTENT_JSON);

    rc = ngx_http_gateway_metrics_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gateway_module);

    ngx_http_gateway_metrics_report(gmcf);

    if (ngx_http_gateway_peers(gmcf, r->pool, &peers) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wanted = gmcf->nworkers * gmcf->links.nelts;
    ready = 0;
    peer = peers.elts;

    for (i = 0; i < peers.nelts; i++) {
        if (peer[i].generation == gmcf->generation && peer[i].is_ready
            && !peer[i].is_blocked)
        {
            ready++;
        }
    }

    if (ready < wanted) {
        return ngx_http_gateway_ready_refuse(r, gmcf, &peers, ready, wanted);
    }

    ngx_http_gateway_text_init(&t, r->pool);
    ngx_http_gateway_text_put(&t, "{\"status\":\"ready\",\"connections\":%ui}",
                              ready);

    return ngx_http_gateway_text_send(r, &t, &type);
}


static ngx_int_t
ngx_http_gateway_ready_refuse(ngx_http_request_t *r,
    ngx_http_gateway_main_conf_t *gmcf, ngx_array_t *peers, ngx_uint_t ready,
    ngx_uint_t wanted)
{
    u_char                   *p, *last;
    ngx_str_t                 detail;
    ngx_uint_t                i;
    ngx_http_gateway_peer_t  *peer;

    detail.data = ngx_pnalloc(r->pool, NGX_HTTP_GATEWAY_TEXT_LINE);
    if (detail.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = detail.data;
    last = p + NGX_HTTP_GATEWAY_TEXT_LINE;

    p = ngx_slprintf(p, last, "%ui of %ui connections are ready",
                     ready, wanted);

    peer = peers->elts;

    for (i = 0; i < peers->nelts; i++) {

        if (peer[i].generation != gmcf->generation
            || (peer[i].is_ready && !peer[i].is_blocked))
        {
            continue;
        }

        p = ngx_slprintf(p, last, ", \"%s\" of worker %uA: %s",
                         peer[i].broker, peer[i].worker,
                         peer[i].is_blocked ? (u_char *) "blocked"
                                            : peer[i].state);
    }

    detail.len = p - detail.data;

    return ngx_http_gateway_refuse(r, WIRE_ERROR_UNAVAILABLE, &detail);
}


/* of this process at once; the others have done so a moment ago */

static void
ngx_http_gateway_metrics_report(ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_uint_t                 i;
    ngx_http_gateway_link_t  **link;

    link = gmcf->links.elts;

    for (i = 0; i < gmcf->links.nelts; i++) {
        ngx_http_gateway_peer_report(link[i]);
    }
}


static void
ngx_http_gateway_text_init(ngx_http_gateway_text_t *t, ngx_pool_t *pool)
{
    ngx_memzero(t, sizeof(ngx_http_gateway_text_t));

    t->pool = pool;
    t->last = &t->first;
}


/* a failure is kept, and told by ngx_http_gateway_text_send() */

static void
ngx_http_gateway_text_put(ngx_http_gateway_text_t *t, const char *fmt, ...)
{
    u_char       *p;
    va_list       args;
    ngx_chain_t  *cl;

    if (t->failed) {
        return;
    }

    if (t->buf == NULL
        || t->buf->end - t->buf->last < NGX_HTTP_GATEWAY_TEXT_LINE)
    {
        t->buf = ngx_create_temp_buf(t->pool, NGX_HTTP_GATEWAY_TEXT_PIECE);
        cl = ngx_alloc_chain_link(t->pool);

        if (t->buf == NULL || cl == NULL) {
            t->failed = 1;
            return;
        }

        cl->buf = t->buf;
        cl->next = NULL;
        *t->last = cl;
        t->last = &cl->next;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(t->buf->last, t->buf->end, fmt, args);
    va_end(args);

    t->size += p - t->buf->last;
    t->buf->last = p;
}


static void
ngx_http_gateway_text_family(ngx_http_gateway_text_t *t, char *name,
    char *type, char *help)
{
    ngx_http_gateway_text_put(t, "# HELP %s %s\n# TYPE %s %s\n",
                              name, help, name, type);
}


static ngx_int_t
ngx_http_gateway_text_send(ngx_http_request_t *r, ngx_http_gateway_text_t *t,
    ngx_str_t *type)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    if (t->failed || t->buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&value, "no-store");

    if (ngx_http_gateway_header_out(r, "Cache-Control", &value, NULL)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    t->buf->last_buf = (r == r->main);
    t->buf->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_length_n = t->size;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, t->first);
}
