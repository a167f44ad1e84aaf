/*
 * Copyright (C) the Warren authors
 *
 * What is to go: every answer of a location says since when it is deprecated
 * (RFC 9745), until when it is there (RFC 8594), and where to read more.
 */

#include "ngx_http_gateway_private.h"


/* 9999-12-31T23:59:59Z: nginx writes years of four digits */
#define NGX_HTTP_GATEWAY_TIME_MAX  253402300799

/* "@" and a number, or a date in HTTP's form */
#define NGX_HTTP_GATEWAY_DATE_LEN                                             \
    (sizeof("Mon, 28 Sep 1970 06:00:00 GMT") - 1)


/* one directive, shared by the levels below */

typedef struct {
    time_t                       time;
    ngx_str_t                    value;       /* of the field */
    ngx_str_t                    link;        /* of Link; empty: none */
    ngx_str_t                    file;
    ngx_uint_t                   line;
    unsigned                     is_off:1;
} ngx_http_gateway_date_t;


typedef struct {
    ngx_http_gateway_date_t     *deprecated;  /* NULL: not set */
    ngx_http_gateway_date_t     *sunset;
} ngx_http_gateway_deprecated_conf_t;


static ngx_int_t ngx_http_gateway_deprecated_header_filter(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_deprecated_put(ngx_http_request_t *r,
    char *name, const ngx_http_gateway_date_t *date);
static char *ngx_http_gateway_deprecated_set(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gateway_deprecated_date(ngx_conf_t *cf,
    ngx_http_gateway_date_t *date, ngx_str_t *value);
static ngx_int_t ngx_http_gateway_deprecated_day(ngx_str_t *value,
    time_t *time_r);
static char *ngx_http_gateway_deprecated_link(ngx_conf_t *cf,
    ngx_http_gateway_date_t *date, ngx_str_t *value, char *relation);
static void *ngx_http_gateway_deprecated_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_deprecated_merge_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_gateway_deprecated_init(ngx_conf_t *cf);


static ngx_command_t  ngx_http_gateway_deprecated_commands[] = {

    { ngx_string("gateway_deprecated"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_gateway_deprecated_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_deprecated_conf_t, deprecated),
      NULL },

    { ngx_string("gateway_sunset"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_gateway_deprecated_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_deprecated_conf_t, sunset),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_deprecated_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_deprecated_init,      /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_deprecated_create_conf, /* create location conf */
    ngx_http_gateway_deprecated_merge_conf   /* merge location conf */
};


ngx_module_t  ngx_http_gateway_deprecated_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_deprecated_module_ctx, /* module context */
    ngx_http_gateway_deprecated_commands,  /* module directives */
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
ngx_http_gateway_deprecated_is_on(ngx_http_request_t *r)
{
    ngx_http_gateway_deprecated_conf_t  *dcf;

    dcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_deprecated_module);

    return dcf->deprecated || dcf->sunset;
}


/* it is the place where the request came in that is to go */

static ngx_int_t
ngx_http_gateway_deprecated_header_filter(ngx_http_request_t *r)
{
    ngx_http_gateway_deprecated_conf_t  *dcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    dcf = NULL;

    if (r->internal) {
        dcf = ngx_http_gateway_trail_home_conf(r,
                                          &ngx_http_gateway_deprecated_module);
    }

    if (dcf == NULL) {
        dcf = ngx_http_get_module_loc_conf(r,
                                           ngx_http_gateway_deprecated_module);
    }

    if (ngx_http_gateway_deprecated_put(r, "Deprecation", dcf->deprecated)
        != NGX_OK
        || ngx_http_gateway_deprecated_put(r, "Sunset", dcf->sunset)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_gateway_deprecated_put(ngx_http_request_t *r, char *name,
    const ngx_http_gateway_date_t *date)
{
    ngx_str_t  value;

    if (date == NULL || date->is_off
        || ngx_http_gateway_header_is_out(r, name))
    {
        return NGX_OK;
    }

    value = date->value;

    if (ngx_http_gateway_header_out(r, name, &value, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    if (date->link.len == 0) {
        return NGX_OK;
    }

    value = date->link;

    return ngx_http_gateway_header_out(r, "Link", &value, NULL);
}


/* gateway_deprecated TIME [link=URL] | off, and gateway_sunset */

static char *
ngx_http_gateway_deprecated_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                      *rv;
    u_char                    *p;
    ngx_str_t                 *value;
    ngx_uint_t                 is_sunset;
    ngx_http_gateway_date_t  **slot, *date;

    slot = (ngx_http_gateway_date_t **) ((u_char *) conf + cmd->offset);
    is_sunset = cmd->offset
                == offsetof(ngx_http_gateway_deprecated_conf_t, sunset);

    if (*slot) {
        return "is duplicate";
    }

    date = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_date_t));
    p = ngx_pnalloc(cf->pool, NGX_HTTP_GATEWAY_DATE_LEN + 1);

    if (date == NULL || p == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = date;
    date->file = cf->conf_file->file.name;
    date->line = cf->conf_file->line;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && value[1].len == 3
        && ngx_strncmp(value[1].data, "off", 3) == 0)
    {
        date->is_off = 1;
        return NGX_CONF_OK;
    }

    rv = ngx_http_gateway_deprecated_date(cf, date, &value[1]);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    date->value.data = p;
    date->value.len = (is_sunset ? ngx_http_time(p, date->time)
                                 : ngx_sprintf(p, "@%T", date->time)) - p;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    return ngx_http_gateway_deprecated_link(cf, date, &value[2],
                                            is_sunset ? "sunset"
                                                      : "deprecation");
}


/* "@1767225600", "2026-01-01" or "2026-01-01T00:00:00Z" */

static char *
ngx_http_gateway_deprecated_date(ngx_conf_t *cf, ngx_http_gateway_date_t *date,
    ngx_str_t *value)
{
    if (value->len > 1 && value->data[0] == '@') {
        date->time = ngx_atotm(value->data + 1, value->len - 1);

        if (date->time != (time_t) NGX_ERROR
            && date->time <= NGX_HTTP_GATEWAY_TIME_MAX)
        {
            return NGX_CONF_OK;
        }

    } else if (ngx_http_gateway_deprecated_day(value, &date->time) == NGX_OK) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid time \"%V\", write it as 2026-01-01, as "
                       "2026-01-01T00:00:00Z or in seconds since 1970 as "
                       "@1767225600", value);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_gateway_deprecated_day(ngx_str_t *value, time_t *time_r)
{
    u_char     *p, buf[NGX_HTTP_GATEWAY_DATE_LEN + 1];
    size_t      i;
    ngx_int_t   year, month, day, hour, min, sec;
    ngx_tm_t    tm;

    static const char  form[] = "0000-00-00T00:00:00Z";

    if (value->len != 10 && value->len != sizeof(form) - 1) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {
        if (form[i] == '0' ? (value->data[i] < '0' || value->data[i] > '9')
                           : value->data[i] != form[i])
        {
            return NGX_ERROR;
        }
    }

    p = value->data;
    year = ngx_atoi(p, 4);
    month = ngx_atoi(p + 5, 2);
    day = ngx_atoi(p + 8, 2);
    hour = value->len == 10 ? 0 : ngx_atoi(p + 11, 2);
    min = value->len == 10 ? 0 : ngx_atoi(p + 14, 2);
    sec = value->len == 10 ? 0 : ngx_atoi(p + 17, 2);

    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23
        || min > 59 || sec > 59)
    {
        return NGX_ERROR;
    }

    /* nginx knows how long each month is */

    p = ngx_sprintf(buf, "Mon, %02i %s %i %02i:%02i:%02i GMT", day,
                    &"Jan\0Feb\0Mar\0Apr\0May\0Jun\0"
                     "Jul\0Aug\0Sep\0Oct\0Nov\0Dec"[(month - 1) * 4],
                    year, hour, min, sec);

    *time_r = ngx_parse_http_time(buf, p - buf);

    if (*time_r == (time_t) NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_gmtime(*time_r, &tm);

    return tm.ngx_tm_mday == day ? NGX_OK : NGX_ERROR;
}


static char *
ngx_http_gateway_deprecated_link(ngx_conf_t *cf, ngx_http_gateway_date_t *date,
    ngx_str_t *value, char *relation)
{
    u_char     *p;
    size_t      i;
    ngx_str_t   url;

    url.data = value->data + 5;
    url.len = value->len - 5;

    if (value->len <= 5 || ngx_strncmp(value->data, "link=", 5) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", there is link=URL",
                           value);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < url.len; i++) {
        if (url.data[i] <= 0x20 || url.data[i] >= 0x7f || url.data[i] == '<'
            || url.data[i] == '>' || url.data[i] == '"')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid URL in \"%V\", write other characters "
                               "than those of a URL as %%XX", value);
            return NGX_CONF_ERROR;
        }
    }

    p = ngx_pnalloc(cf->pool, url.len + ngx_strlen(relation)
                              + sizeof("<>; rel=\"\""));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    date->link.data = p;
    date->link.len = ngx_sprintf(p, "<%V>; rel=\"%s\"", &url, relation) - p;

    return NGX_CONF_OK;
}


static void *
ngx_http_gateway_deprecated_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_deprecated_conf_t));
}


static char *
ngx_http_gateway_deprecated_merge_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_deprecated_conf_t  *prev = parent;
    ngx_http_gateway_deprecated_conf_t  *conf = child;

    if (conf->deprecated == NULL) {
        conf->deprecated = prev->deprecated;
    }

    if (conf->sunset == NULL) {
        conf->sunset = prev->sunset;
    }

    if (conf->deprecated && conf->sunset
        && !conf->deprecated->is_off && !conf->sunset->is_off
        && conf->sunset->time < conf->deprecated->time)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_sunset is before gateway_deprecated of %V:%ui, "
                      "move one of them, in %V:%ui",
                      &conf->deprecated->file, conf->deprecated->line,
                      &conf->sunset->file, conf->sunset->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_deprecated_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gateway_deprecated_header_filter;

    return NGX_OK;
}
