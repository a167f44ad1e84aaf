/*
 * Copyright (C) the Warren authors
 *
 * The directives about streams of Server-Sent Events.
 */

#include "ngx_http_gateway_stream.h"


/* what is kept for a client that does not read */
#define NGX_HTTP_GATEWAY_STREAM_BUFFER  65536

/* streams of a process */
#define NGX_HTTP_GATEWAY_STREAM_MAX     10000

/* bytes to count people in: about 15000 of each process */
#define NGX_HTTP_GATEWAY_STREAM_ZONE    (1024 * 1024)

/* a key without streams stays bound for so long: its person may come back */
#define NGX_HTTP_GATEWAY_STREAM_LINGER  30000


static char *ngx_http_gateway_stream_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_stream_words(ngx_conf_t *cf, ngx_str_t *key,
    ngx_http_gateway_stream_conf_t *scf);
static char *ngx_http_gateway_stream_literal(ngx_conf_t *cf, ngx_str_t *key,
    ngx_str_t *text);
static size_t ngx_http_gateway_stream_variable(ngx_str_t *name, u_char *p,
    u_char *last);
static char *ngx_http_gateway_stream_resume_set(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gateway_stream_zone_set(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gateway_stream_zone_add(ngx_conf_t *cf,
    ngx_http_gateway_stream_main_conf_t *smcf, ngx_str_t *name, size_t size);
static char *ngx_http_gateway_stream_positive(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_gateway_stream_count(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_gateway_stream_buffer(ngx_conf_t *cf, void *post,
    void *data);
static void *ngx_http_gateway_stream_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_gateway_stream_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_stream_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_gateway_stream_hub(ngx_conf_t *cf,
    ngx_http_gateway_stream_conf_t *conf, ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_stream_hub_digest(ngx_conf_t *cf,
    ngx_http_gateway_stream_hub_t *hub);
static ngx_uint_t ngx_http_gateway_stream_same(const ngx_str_t *a,
    const ngx_str_t *b);
static ngx_int_t ngx_http_gateway_stream_init_process(ngx_cycle_t *cycle);
static void ngx_http_gateway_stream_exit_process(ngx_cycle_t *cycle);


static ngx_conf_post_t  ngx_http_gateway_stream_check_time =
    { ngx_http_gateway_stream_positive };

static ngx_conf_post_t  ngx_http_gateway_stream_check_count =
    { ngx_http_gateway_stream_count };

static ngx_conf_post_t  ngx_http_gateway_stream_check_buffer =
    { ngx_http_gateway_stream_buffer };


static ngx_command_t  ngx_http_gateway_stream_commands[] = {

    { ngx_string("gateway_stream"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE23,
      ngx_http_gateway_stream_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_stream_resume"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_gateway_stream_resume_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_stream_heartbeat"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_conf_t, heartbeat),
      &ngx_http_gateway_stream_check_time },

    { ngx_string("gateway_stream_drain"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_conf_t, drain),
      NULL },

    { ngx_string("gateway_stream_retry"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_conf_t, retry),
      NULL },

    { ngx_string("gateway_stream_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_conf_t, limit),
      NULL },

    { ngx_string("gateway_stream_buffer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_conf_t, buffer),
      &ngx_http_gateway_stream_check_buffer },

    { ngx_string("gateway_stream_max"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_main_conf_t, max),
      &ngx_http_gateway_stream_check_count },

    { ngx_string("gateway_stream_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_main_conf_t, queue),
      &ngx_http_gateway_stream_check_count },

    { ngx_string("gateway_stream_linger"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gateway_stream_main_conf_t, linger),
      NULL },

    { ngx_string("gateway_stream_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_stream_zone_set,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_stream_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_gateway_stream_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_stream_create_conf,   /* create location configuration */
    ngx_http_gateway_stream_merge_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_stream_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_stream_module_ctx,   /* module context */
    ngx_http_gateway_stream_commands,      /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gateway_stream_init_process,  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gateway_stream_exit_process,  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* gateway_stream EXCHANGE KEY [from=USER] */

static char *
ngx_http_gateway_stream_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_stream_conf_t *scf = conf;

    ngx_str_t                    *value, *from;
    ngx_http_gateway_route_t     *route;
    ngx_http_gateway_loc_conf_t  *glcf;

    value = cf->args->elts;

    if (ngx_http_gateway_word(cf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    glcf = ngx_http_conf_get_module_loc_conf(cf,
                                             ngx_http_gateway_route_module);

    route = ngx_http_gateway_route_add(cf, glcf, NGX_HTTP_GATEWAY_STREAM,
                                       NGX_HTTP_GET);

    if (route == NULL
        || ngx_http_gateway_route_init(cf, route, NULL, NULL) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    scf->exchange = value[1];
    scf->user = value[1];

    if (cf->args->nelts == 4) {
        from = &value[3];

        if (from->len <= 5 || ngx_strncmp(from->data, "from=", 5) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", use \"from=USER\"",
                               from);
            return NGX_CONF_ERROR;
        }

        scf->user.data = from->data + 5;
        scf->user.len = from->len - 5;
    }

    return ngx_http_gateway_stream_words(cf, &value[2], scf);
}


static char *
ngx_http_gateway_stream_words(ngx_conf_t *cf, ngx_str_t *key,
    ngx_http_gateway_stream_conf_t *scf)
{
    size_t                           len;
    u_char                          *p, *last;
    ngx_str_t                        name;
    ngx_http_gateway_stream_word_t  *word;

    scf->words = ngx_array_create(cf->pool, 2,
                                  sizeof(ngx_http_gateway_stream_word_t));
    if (scf->words == NULL) {
        return NGX_CONF_ERROR;
    }

    p = key->data;
    last = p + key->len;

    while (p < last) {
        word = ngx_array_push(scf->words);
        if (word == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(word, sizeof(ngx_http_gateway_stream_word_t));

        if (*p == '$') {
            len = ngx_http_gateway_stream_variable(&name, p, last);

            if (len == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid variable name in key \"%V\"", key);
                return NGX_CONF_ERROR;
            }

            word->index = ngx_http_get_variable_index(cf, &name);
            if (word->index == NGX_ERROR) {
                return NGX_CONF_ERROR;
            }

            p += len;
            continue;
        }

        word->index = NGX_ERROR;
        word->text.data = p;

        while (p < last && *p != '$') {
            p++;
        }

        word->text.len = p - word->text.data;

        if (ngx_http_gateway_stream_literal(cf, key, &word->text)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* who has the key is looked up, so that it cannot stand for several */

static char *
ngx_http_gateway_stream_literal(ngx_conf_t *cf, ngx_str_t *key,
    ngx_str_t *text)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'
              || ch == '~' || ch == '.' || ch == '%'))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid character in key \"%V\", use words of "
                               "letters, digits, \"-_~\" and variables, "
                               "separated by \".\"; a stream has one key, not "
                               "a pattern", key);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* "$name" or "${name}"; returns how long that is, or 0 */

static size_t
ngx_http_gateway_stream_variable(ngx_str_t *name, u_char *p, u_char *last)
{
    u_char      ch, *start;
    ngx_uint_t  is_braced;

    start = p++;
    is_braced = (p < last && *p == '{');

    if (is_braced) {
        p++;
    }

    name->data = p;

    for ( /* void */ ; p < last; p++) {
        ch = *p;

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '_'))
        {
            break;
        }
    }

    name->len = p - name->data;

    if (name->len == 0) {
        return 0;
    }

    if (is_braced) {
        if (p == last || *p != '}') {
            return 0;
        }

        p++;
    }

    return p - start;
}


/* gateway_stream_resume SERVICE METHOD | off */

static char *
ngx_http_gateway_stream_resume_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gateway_stream_conf_t *scf = conf;

    ngx_str_t  *value;

    if (scf->service.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        if (value[1].len != 3 || ngx_strncmp(value[1].data, "off", 3) != 0) {
            return "takes a service and its method, or \"off\"";
        }

        ngx_str_set(&scf->service, "");

        return NGX_CONF_OK;
    }

    if (ngx_http_gateway_word(cf, &value[1]) != NGX_CONF_OK
        || ngx_http_gateway_word(cf, &value[2]) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    scf->service = value[1];
    scf->method = value[2];

    return NGX_CONF_OK;
}


/* gateway_stream_zone NAME:SIZE */

static char *
ngx_http_gateway_stream_zone_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gateway_stream_main_conf_t *smcf = conf;

    u_char     *p;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (smcf->zone.shm_zone) {
        return "is duplicate, one zone counts for all";
    }

    value = cf->args->elts;

    p = ngx_strlchr(value[1].data, value[1].data + value[1].len, ':');

    if (p == NULL || p == value[1].data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\", write it as NAME:SIZE, for "
                           "example streams:1m", &value[1]);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data;
    name.len = p - name.data;

    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < (ssize_t) (16 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size of zone \"%V\", use at least %uzk",
                           &value[1], (size_t) 16 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    return ngx_http_gateway_stream_zone_add(cf, smcf, &name, size);
}


static char *
ngx_http_gateway_stream_zone_add(ngx_conf_t *cf,
    ngx_http_gateway_stream_main_conf_t *smcf, ngx_str_t *name, size_t size)
{
    ngx_shm_zone_t  *shm_zone;

    shm_zone = ngx_shared_memory_add(cf, name, size,
                                     &ngx_http_gateway_stream_module);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    shm_zone->init = ngx_http_gateway_stream_zone_init;
    shm_zone->data = &smcf->zone;

    smcf->zone.shm_zone = shm_zone;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_stream_positive(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t  *time = data;

    if (*time < 1000) {
        return "must be at least 1s";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_stream_count(ngx_conf_t *cf, void *post, void *data)
{
    ngx_int_t  *n = data;

    if (*n < 1 || *n > 1000000) {
        return "must be from 1 to 1000000";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_stream_buffer(ngx_conf_t *cf, void *post, void *data)
{
    size_t  *size = data;

    if (*size < 4096 || *size > WIRE_BODY_MAX) {
        return "must be from 4k to 16m";
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_gateway_stream_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_stream_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_stream_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&smcf->hubs, cf->pool, 1,
                       sizeof(ngx_http_gateway_stream_hub_t *))
        != NGX_OK)
    {
        return NULL;
    }

    smcf->max = NGX_CONF_UNSET_UINT;
    smcf->queue = NGX_CONF_UNSET_UINT;
    smcf->linger = NGX_CONF_UNSET_MSEC;

    return smcf;
}


static void *
ngx_http_gateway_stream_create_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_stream_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_stream_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->exchange = { 0, NULL };
     *     conf->user = { 0, NULL };
     *     conf->words = NULL;
     *     conf->hub = NULL;
     *     conf->service = { 0, NULL };
     *     conf->method = { 0, NULL };
     */

    conf->heartbeat = NGX_CONF_UNSET_MSEC;
    conf->drain = NGX_CONF_UNSET_MSEC;
    conf->retry = NGX_CONF_UNSET_MSEC;
    conf->limit = NGX_CONF_UNSET_UINT;
    conf->buffer = NGX_CONF_UNSET_SIZE;

    return conf;
}


static char *
ngx_http_gateway_stream_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_stream_conf_t *prev = parent;
    ngx_http_gateway_stream_conf_t *conf = child;

    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_gateway_loc_conf_t  *glcf;

    if (conf->service.data == NULL) {
        conf->service = prev->service;
        conf->method = prev->method;
    }

    ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat, 15000);
    ngx_conf_merge_msec_value(conf->drain, prev->drain, 5000);
    ngx_conf_merge_msec_value(conf->retry, prev->retry, 2000);
    ngx_conf_merge_uint_value(conf->limit, prev->limit, 0);
    ngx_conf_merge_size_value(conf->buffer, prev->buffer,
                              NGX_HTTP_GATEWAY_STREAM_BUFFER);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    glcf = ngx_http_conf_get_module_loc_conf(cf,
                                             ngx_http_gateway_route_module);

    /* "if" and limit_except are locations of their own, with lent routes */

    if (clcf->noname && conf->exchange.len == 0) {
        conf->exchange = prev->exchange;
        conf->user = prev->user;
        conf->words = prev->words;
    }

    if (conf->exchange.len == 0 || glcf->link == NULL) {
        return NGX_CONF_OK;
    }

    if (conf->buffer > glcf->link->broker.max_reply) {
        glcf->link->broker.max_reply = conf->buffer;
    }

    return ngx_http_gateway_stream_hub(cf, conf, glcf->link);
}


/* finds or makes the hub of a broker, an exchange and a user */

static char *
ngx_http_gateway_stream_hub(ngx_conf_t *cf,
    ngx_http_gateway_stream_conf_t *conf, ngx_http_gateway_link_t *link)
{
    ngx_uint_t                            i;
    ngx_http_gateway_stream_hub_t        *hub, **slot;
    ngx_http_gateway_stream_main_conf_t  *smcf;

    static ngx_str_t  streams = ngx_string("gateway_stream");

    smcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_gateway_stream_module);

    ngx_conf_init_uint_value(smcf->max, NGX_HTTP_GATEWAY_STREAM_MAX);
    ngx_conf_init_uint_value(smcf->queue, WIRE_STREAM_QUEUE_MAX_LENGTH);
    ngx_conf_init_msec_value(smcf->linger, NGX_HTTP_GATEWAY_STREAM_LINGER);

    if (conf->limit && smcf->zone.shm_zone == NULL
        && ngx_http_gateway_stream_zone_add(cf, smcf, &streams,
                                            NGX_HTTP_GATEWAY_STREAM_ZONE)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    slot = smcf->hubs.elts;

    for (i = 0; i < smcf->hubs.nelts; i++) {
        hub = slot[i];

        if (hub->link == link
            && ngx_http_gateway_stream_same(&hub->subscriber.exchange,
                                            &conf->exchange)
            && ngx_http_gateway_stream_same(&hub->subscriber.user,
                                            &conf->user))
        {
            break;
        }
    }

    if (i == smcf->hubs.nelts) {
        slot = ngx_array_push(&smcf->hubs);
        hub = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_stream_hub_t));

        if (slot == NULL || hub == NULL) {
            return NGX_CONF_ERROR;
        }

        hub->link = link;
        hub->conf = smcf;
        hub->subscriber.exchange = conf->exchange;
        hub->subscriber.user = conf->user;

        if (ngx_http_gateway_stream_hub_digest(cf, hub) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        *slot = hub;

    } else {
        hub = slot[i];
    }

    /* of a larger one no stream would take it */

    if (hub->subscriber.max_body < conf->buffer) {
        hub->subscriber.max_body = conf->buffer;
    }

    conf->hub = hub;

    return NGX_CONF_OK;
}


/* the same for equal hubs of other configurations */

static char *
ngx_http_gateway_stream_hub_digest(ngx_conf_t *cf,
    ngx_http_gateway_stream_hub_t *hub)
{
    u_char     *p;
    ngx_str_t  *name, text;

    name = &hub->link->broker.name;

    text.len = name->len + hub->subscriber.exchange.len
               + hub->subscriber.user.len + 2;

    text.data = ngx_pnalloc(cf->temp_pool, text.len);
    if (text.data == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_cpymem(text.data, name->data, name->len);
    *p++ = '\n';
    p = ngx_cpymem(p, hub->subscriber.exchange.data,
                   hub->subscriber.exchange.len);
    *p++ = '\n';
    ngx_memcpy(p, hub->subscriber.user.data, hub->subscriber.user.len);

    if (ngx_http_gateway_sha256(&text, hub->digest) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_gateway_stream_same(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && ngx_strncmp(a->data, b->data, a->len) == 0;
}


static ngx_int_t
ngx_http_gateway_stream_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                            i;
    ngx_http_gateway_main_conf_t         *gmcf;
    ngx_http_gateway_stream_hub_t       **hub;
    ngx_http_gateway_stream_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_gateway_stream_module);
    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gateway_module);

    if (smcf == NULL || gmcf == NULL) {
        return NGX_OK;
    }

    hub = smcf->hubs.elts;

    for (i = 0; i < smcf->hubs.nelts; i++) {
        hub[i]->stats = gmcf->stats;
    }

    ngx_http_gateway_stream_zone_open(&smcf->zone);

    return NGX_OK;
}


static void
ngx_http_gateway_stream_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                            i;
    ngx_http_gateway_stream_hub_t       **hub;
    ngx_http_gateway_stream_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_gateway_stream_module);

    if (smcf == NULL) {
        return;
    }

    hub = smcf->hubs.elts;

    for (i = 0; i < smcf->hubs.nelts; i++) {
        ngx_http_gateway_stream_hub_close(hub[i]);
    }

    ngx_http_gateway_stream_zone_close(&smcf->zone);
}
