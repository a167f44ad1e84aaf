/*
 * Copyright (C) the Warren authors
 *
 * The gateway_broker block: how a broker is reached, and within what bounds.
 */

#include "ngx_http_gateway_private.h"


#define NGX_HTTP_GATEWAY_AMQP_PORT    5672
#define NGX_HTTP_GATEWAY_AMQPS_PORT   5671

/* AMQP has 16 bits of seconds for it, and a table slot 16 bits */
#define NGX_HTTP_GATEWAY_HEARTBEAT    65535
#define NGX_HTTP_GATEWAY_INFLIGHT     65535

/* a password is a line; larger files are something else */
#define NGX_HTTP_GATEWAY_SECRET_MAX   4096


typedef struct {
    ngx_str_t      name;
    ngx_uint_t     nargs;       /* exactly, or 0: at least one */
    char        *(*set)(ngx_conf_t *cf, ngx_http_gateway_link_t *link);
} ngx_http_gateway_broker_command_t;


static ngx_http_gateway_link_t *ngx_http_gateway_broker_create(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_http_gateway_broker_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_gateway_broker_check(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_broker_url(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_broker_parse(ngx_conf_t *cf, ngx_str_t *value,
    ngx_amqp_url_t *url);
static char *ngx_http_gateway_broker_host(ngx_conf_t *cf, ngx_str_t *host,
    ngx_amqp_url_t *url);
static ngx_int_t ngx_http_gateway_broker_decode(ngx_pool_t *pool,
    ngx_str_t *src, ngx_str_t *dst);
static char *ngx_http_gateway_broker_password(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_broker_heartbeat(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_broker_timeout(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_broker_inflight(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
static char *ngx_http_gateway_broker_output(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);


static ngx_http_gateway_broker_command_t  ngx_http_gateway_broker_commands[] = {

    { ngx_string("url"), 0, ngx_http_gateway_broker_url },
    { ngx_string("password_file"), 1, ngx_http_gateway_broker_password },
    { ngx_string("heartbeat"), 1, ngx_http_gateway_broker_heartbeat },
    { ngx_string("connect_timeout"), 1, ngx_http_gateway_broker_timeout },
    { ngx_string("max_inflight"), 1, ngx_http_gateway_broker_inflight },
    { ngx_string("max_output"), 1, ngx_http_gateway_broker_output },

    { ngx_string("ssl_trusted_certificate"), 1,
      ngx_http_gateway_broker_trusted },
    { ngx_string("ssl_crl"), 1, ngx_http_gateway_broker_crl },
    { ngx_string("ssl_certificate"), 1, ngx_http_gateway_broker_certificate },
    { ngx_string("ssl_certificate_key"), 1, ngx_http_gateway_broker_key },
    { ngx_string("ssl_name"), 1, ngx_http_gateway_broker_name },
    { ngx_string("ssl_verify"), 1, ngx_http_gateway_broker_verify },
    { ngx_string("sasl"), 1, ngx_http_gateway_broker_sasl },

    { ngx_null_string, 0, NULL }
};


char *
ngx_http_gateway_broker_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_main_conf_t  *gmcf = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_conf_t                save;
    ngx_http_gateway_link_t  *link, **slot;

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > NGX_HTTP_GATEWAY_NAME_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the name of a gateway_broker must have 1 to %d "
                           "characters", NGX_HTTP_GATEWAY_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    slot = gmcf->links.elts;

    for (i = 0; i < gmcf->links.nelts; i++) {
        if (slot[i]->broker.name.len == value[1].len
            && ngx_strncmp(slot[i]->broker.name.data, value[1].data,
                           value[1].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate gateway_broker \"%V\", list all its "
                               "addresses in one \"url\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    link = ngx_http_gateway_broker_create(cf, &value[1]);
    if (link == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_gateway_broker_line;
    cf->handler_conf = (void *) link;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_gateway_broker_check(cf, link);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    slot = ngx_array_push(&gmcf->links);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = link;

    return NGX_CONF_OK;
}


static ngx_http_gateway_link_t *
ngx_http_gateway_broker_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_gateway_link_t  *link;

    link = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_link_t));
    if (link == NULL) {
        return NULL;
    }

    /* name points into the tokens of the directive, which live in cf->pool */

    link->broker.name = *name;
    link->broker.heartbeat = NGX_CONF_UNSET_MSEC;
    link->broker.connect_timeout = NGX_CONF_UNSET_MSEC;
    link->broker.max_inflight = NGX_CONF_UNSET_UINT;
    link->broker.max_output = NGX_CONF_UNSET_SIZE;
    link->tls.verify = NGX_CONF_UNSET;
    link->tls.external = NGX_CONF_UNSET;

    return link;
}


static char *
ngx_http_gateway_broker_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_gateway_link_t *link = conf;

    ngx_str_t                          *value;
    ngx_http_gateway_broker_command_t  *cmd;

    value = cf->args->elts;

    if (value[0].len == 7 && ngx_strncmp(value[0].data, "include", 7) == 0) {

        if (cf->args->nelts != 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"include\"");
            return NGX_CONF_ERROR;
        }

        return ngx_conf_include(cf, dummy, conf);
    }

    for (cmd = ngx_http_gateway_broker_commands; cmd->name.len; cmd++) {

        if (cmd->name.len != value[0].len
            || ngx_strncmp(cmd->name.data, value[0].data, value[0].len) != 0)
        {
            continue;
        }

        if (cf->args->nelts < 2
            || (cmd->nargs && cf->args->nelts != cmd->nargs + 1))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\"",
                               &value[0]);
            return NGX_CONF_ERROR;
        }

        return cmd->set(cf, link);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown setting \"%V\" of gateway_broker, there are "
                       "url, password_file, heartbeat, connect_timeout, "
                       "max_inflight, max_output, sasl, and ssl_... as of "
                       "proxy_pass", &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_broker_check(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_amqp_broker_t  *broker;

    broker = &link->broker;

    if (broker->urls == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" has no \"url\", add one as "
                           "amqp://USER@HOST:PORT/VHOST", &broker->name);
        return NGX_CONF_ERROR;
    }

    if (link->tls.external == 1 && broker->password.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" has \"sasl external\", by "
                           "which its certificate is enough, and a "
                           "\"password_file\": remove one of them",
                           &broker->name);
        return NGX_CONF_ERROR;
    }

    if (broker->password.data == NULL && link->tls.external != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" has no \"password_file\", "
                           "name a file with the password of its user",
                           &broker->name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_msec_value(broker->heartbeat, 15000);
    ngx_conf_init_msec_value(broker->connect_timeout, 3000);
    ngx_conf_init_uint_value(broker->max_inflight, 4096);
    ngx_conf_init_size_value(broker->max_output, 2 * WIRE_BODY_MAX);

    return ngx_http_gateway_broker_tls(cf, link);
}


static char *
ngx_http_gateway_broker_url(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    char            *rv;
    ngx_str_t       *value;
    ngx_uint_t       i;
    ngx_amqp_url_t  *url;

    if (link->broker.urls) {
        return "\"url\" is duplicate, list all addresses in one";
    }

    link->broker.urls = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                         sizeof(ngx_amqp_url_t));
    if (link->broker.urls == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        url = ngx_array_push(link->broker.urls);
        if (url == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(url, sizeof(ngx_amqp_url_t));

        rv = ngx_http_gateway_broker_parse(cf, &value[i], url);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


/* amqp://USER@HOST[:PORT][/VHOST], user and vhost percent-encoded */

static char *
ngx_http_gateway_broker_parse(ngx_conf_t *cf, ngx_str_t *value,
    ngx_amqp_url_t *url)
{
    u_char     *p, *last, *at, *slash;
    ngx_str_t   user, host, vhost;

    url->url = *value;

    url->tls = (value->len > 8
                && ngx_strncmp(value->data, "amqps://", 8) == 0);

    if (!url->tls && (value->len <= 7
                      || ngx_strncmp(value->data, "amqp://", 7) != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid url \"%V\", write it as "
                           "amqp://USER@HOST:PORT/VHOST", value);
        return NGX_CONF_ERROR;
    }

    p = value->data + (url->tls ? 8 : 7);
    last = value->data + value->len;

    slash = ngx_strlchr(p, last, '/');
    at = ngx_strlchr(p, slash ? slash : last, '@');

    if (at == NULL || at == p) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no user in url \"%V\", write it as "
                           "amqp://USER@HOST:PORT/VHOST", value);
        return NGX_CONF_ERROR;
    }

    if (ngx_strlchr(p, at, ':')) {

        /* not repeated: what follows the colon is a password */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a password in \"url\" can be read by everyone, "
                           "put it into the file named by \"password_file\"");
        return NGX_CONF_ERROR;
    }

    user.data = p;
    user.len = at - p;

    host.data = at + 1;
    host.len = (slash ? slash : last) - host.data;

    ngx_str_set(&vhost, "/");

    if (slash && slash + 1 < last) {
        vhost.data = slash + 1;
        vhost.len = last - vhost.data;
    }

    if ((vhost.len > 1
         && (ngx_strlchr(vhost.data, last, '/')
             || ngx_strlchr(vhost.data, last, '?')))
        || ngx_http_gateway_broker_decode(cf->pool, &user, &url->user)
           != NGX_OK
        || ngx_http_gateway_broker_decode(cf->pool, &vhost, &url->vhost)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid user or vhost in url \"%V\", write other "
                           "characters than letters, digits, \"-._~\" as %%XX, "
                           "the vhost \"/\" as /%%2F", value);
        return NGX_CONF_ERROR;
    }

    return ngx_http_gateway_broker_host(cf, &host, url);
}


static char *
ngx_http_gateway_broker_host(ngx_conf_t *cf, ngx_str_t *host,
    ngx_amqp_url_t *url)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *host;
    u.default_port = url->tls ? NGX_HTTP_GATEWAY_AMQPS_PORT
                              : NGX_HTTP_GATEWAY_AMQP_PORT;
    u.no_resolve = 1;

    if (host->len == 0
        || (host->len >= 5 && ngx_strncasecmp(host->data, (u_char *) "unix:", 5)
                              == 0)
        || ngx_parse_url(cf->pool, &u) != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in url \"%V\", write it "
                           "as amqp://USER@HOST:PORT/VHOST",
                           u.err ? u.err : "no host", &url->url);
        return NGX_CONF_ERROR;
    }

    url->host = u.host;
    url->port = u.port;
    url->named = (u.naddrs == 0);

    if (u.naddrs == 0 && ngx_inet_resolve_host(cf->pool, &u) != NGX_OK) {

        /* no reason not to start: it may resolve later */

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "%s in url \"%V\", it is not tried until a reload "
                           "or the \"resolver\" of \"http\" finds it",
                           u.err ? u.err : "no address", &url->url);
        return NGX_CONF_OK;
    }

    url->addrs = u.addrs;
    url->naddrs = u.naddrs;

    return NGX_CONF_OK;
}


/* strict: a percent sign begins two hex digits; AMQP has room for 255 bytes */

static ngx_int_t
ngx_http_gateway_broker_decode(ngx_pool_t *pool, ngx_str_t *src,
    ngx_str_t *dst)
{
    u_char     *p, *last;
    ngx_int_t   n;

    dst->data = ngx_pnalloc(pool, src->len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = 0;
    p = src->data;
    last = src->data + src->len;

    while (p < last) {

        if (*p != '%') {
            dst->data[dst->len++] = *p++;
            continue;
        }

        if (last - p < 3) {
            return NGX_ERROR;
        }

        n = ngx_hextoi(p + 1, 2);
        if (n == NGX_ERROR || n == 0) {
            return NGX_ERROR;
        }

        dst->data[dst->len++] = (u_char) n;
        p += 3;
    }

    return dst->len <= 255 ? NGX_OK : NGX_ERROR;
}


static char *
ngx_http_gateway_broker_password(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    u_char      buf[NGX_HTTP_GATEWAY_SECRET_MAX + 1];
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t  *value, name;

    if (link->broker.password.data) {
        return "\"password_file\" is duplicate";
    }

    value = cf->args->elts;
    name = value[1];

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed, \"password_file\" "
                           "must name a file that the master process can read",
                           &name);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", &name);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", &name);
    }

    if (n == -1) {
        return NGX_CONF_ERROR;
    }

    if (n <= NGX_HTTP_GATEWAY_SECRET_MAX) {
        while (n > 0 && (buf[n - 1] == LF || buf[n - 1] == CR)) {
            n--;
        }
    }

    if (n == 0 || n > NGX_HTTP_GATEWAY_SECRET_MAX
        || ngx_strlchr(buf, buf + n, LF) || ngx_strlchr(buf, buf + n, '\0'))
    {
        ngx_explicit_memzero(buf, sizeof(buf));
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must hold the password and nothing else, "
                           "in one line", &name);
        return NGX_CONF_ERROR;
    }

    link->broker.password.data = ngx_pnalloc(cf->pool, n);

    if (link->broker.password.data) {
        ngx_memcpy(link->broker.password.data, buf, n);
        link->broker.password.len = n;
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    return link->broker.password.data ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_broker_heartbeat(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    if (link->broker.heartbeat != NGX_CONF_UNSET_MSEC) {
        return "\"heartbeat\" is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 3 && ngx_strncmp(value[1].data, "off", 3) == 0) {
        link->broker.heartbeat = 0;
        return NGX_CONF_OK;
    }

    n = ngx_parse_time(&value[1], 1);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_GATEWAY_HEARTBEAT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid heartbeat \"%V\", use whole seconds from "
                           "1s to %ds, or \"off\"", &value[1],
                           NGX_HTTP_GATEWAY_HEARTBEAT);
        return NGX_CONF_ERROR;
    }

    link->broker.heartbeat = (ngx_msec_t) n * 1000;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_broker_timeout(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    if (link->broker.connect_timeout != NGX_CONF_UNSET_MSEC) {
        return "\"connect_timeout\" is duplicate";
    }

    value = cf->args->elts;
    n = ngx_parse_time(&value[1], 0);

    if (n == NGX_ERROR || n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid connect_timeout \"%V\", use a time above "
                           "zero as \"3s\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    link->broker.connect_timeout = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_broker_inflight(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    if (link->broker.max_inflight != NGX_CONF_UNSET_UINT) {
        return "\"max_inflight\" is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_GATEWAY_INFLIGHT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid max_inflight \"%V\", use a number from 1 "
                           "to %d", &value[1], NGX_HTTP_GATEWAY_INFLIGHT);
        return NGX_CONF_ERROR;
    }

    link->broker.max_inflight = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_broker_output(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ssize_t     n;
    ngx_str_t  *value;

    if (link->broker.max_output != NGX_CONF_UNSET_SIZE) {
        return "\"max_output\" is duplicate";
    }

    value = cf->args->elts;
    n = ngx_parse_size(&value[1]);

    if (n == NGX_ERROR || n < 65536) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid max_output \"%V\", use a size of at least "
                           "64k", &value[1]);
        return NGX_CONF_ERROR;
    }

    link->broker.max_output = n;

    return NGX_CONF_OK;
}


ngx_http_gateway_link_t *
ngx_http_gateway_link(ngx_http_gateway_main_conf_t *gmcf, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_gateway_link_t **link;

    link = gmcf->links.elts;

    if (name->len == 0) {
        return gmcf->links.nelts == 1 ? link[0] : NULL;
    }

    for (i = 0; i < gmcf->links.nelts; i++) {
        if (link[i]->broker.name.len == name->len
            && ngx_strncmp(link[i]->broker.name.data, name->data, name->len)
               == 0)
        {
            return link[i];
        }
    }

    return NULL;
}
