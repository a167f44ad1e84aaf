/*
 * Copyright (C) the Warren authors
 *
 * Revocations: files of jti and sub values that each worker process reads again
 * when they change.
 */

#include "ngx_http_gateway.h"
#include "ngx_http_gateway_jwt_file.h"
#include "ngx_http_gateway_jwt_revoked.h"
#include "ngx_http_gateway_jwt_revoked_set.h"


/* how often the files are looked at, ms */

#define NGX_HTTP_GATEWAY_JWT_REVOKED_CHECK  1000


/* of the process once it is forked; a file is read once for all locations */

typedef struct {
    ngx_str_t                            name;
    ngx_http_gateway_jwt_revoked_set_t  *set;

    /* of the text that set was made of, and of the last one that was tried */
    ngx_file_info_t                      fi;
    ngx_file_info_t                      tried;

    /* as logged; what goes on is not logged again */
    unsigned                             is_missing:1;
} ngx_http_gateway_jwt_revoked_t;


typedef struct {
    ngx_array_t                          files; /* of ..._jwt_revoked_t * */
    ngx_event_t                          timer;
} ngx_http_gateway_jwt_revoked_main_conf_t;


typedef struct {
    ngx_http_gateway_jwt_revoked_t      *revoked; /* NULL: off */
} ngx_http_gateway_jwt_revoked_loc_conf_t;


static ngx_uint_t ngx_http_gateway_jwt_revoked_value(
    const ngx_http_gateway_jwt_token_t *token, char *name, u_char *buf,
    ngx_http_gateway_jwt_slice_t *value);
static ngx_int_t ngx_http_gateway_jwt_revoked_read(ngx_conf_t *cf,
    ngx_log_t *log, ngx_http_gateway_jwt_revoked_t *revoked);
static void ngx_http_gateway_jwt_revoked_timer(ngx_event_t *ev);
static void ngx_http_gateway_jwt_revoked_check(
    ngx_http_gateway_jwt_revoked_t *revoked, ngx_log_t *log);
static void ngx_http_gateway_jwt_revoked_cleanup(void *data);

static char *ngx_http_gateway_jwt_revoked_file(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static void *ngx_http_gateway_jwt_revoked_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_gateway_jwt_revoked_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_jwt_revoked_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_gateway_jwt_revoked_init_process(
    ngx_cycle_t *cycle);
static void ngx_http_gateway_jwt_revoked_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_gateway_jwt_revoked_commands[] = {

    { ngx_string("gateway_jwt_revoked"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_jwt_revoked_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_jwt_revoked_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_gateway_jwt_revoked_create_main_conf,
                                           /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_jwt_revoked_create_loc_conf,
                                           /* create location configuration */
    ngx_http_gateway_jwt_revoked_merge_loc_conf
                                           /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_jwt_revoked_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_jwt_revoked_module_ctx, /* module context */
    ngx_http_gateway_jwt_revoked_commands, /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gateway_jwt_revoked_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gateway_jwt_revoked_exit_process, /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_uint_t
ngx_http_gateway_jwt_is_revoked(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_token_t *token)
{
    u_char                                    buf[NGX_INT64_LEN];
    int64_t                                   iat;
    ngx_http_gateway_jwt_slice_t              value;
    ngx_http_gateway_jwt_revoked_set_t       *set;
    ngx_http_gateway_jwt_revoked_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r,
                                        ngx_http_gateway_jwt_revoked_module);

    if (rlcf->revoked == NULL) {
        return 0;
    }

    set = rlcf->revoked->set;

    if (ngx_http_gateway_jwt_revoked_set_number(set) == 0) {
        return 0;
    }

    if (ngx_http_gateway_jwt_revoked_value(token, "jti", buf, &value)
        && ngx_http_gateway_jwt_revoked_set_has(set,
                                     NGX_HTTP_GATEWAY_JWT_REVOKED_JTI,
                                     value.data, value.len, 0))
    {
        return 1;
    }

    if (!ngx_http_gateway_jwt_revoked_value(token, "sub", buf, &value)) {
        return 0;
    }

    if (!ngx_http_gateway_jwt_token_iat(token, &iat)) {
        iat = NGX_HTTP_GATEWAY_JWT_REVOKED_NEVER;
    }

    return ngx_http_gateway_jwt_revoked_set_has(set,
                                     NGX_HTTP_GATEWAY_JWT_REVOKED_SUB,
                                     value.data, value.len, iat);
}


/* a string, or a number as text in buf; 0: it has none */

static ngx_uint_t
ngx_http_gateway_jwt_revoked_value(const ngx_http_gateway_jwt_token_t *token,
    char *name, u_char *buf, ngx_http_gateway_jwt_slice_t *value)
{
    int64_t  number;

    switch (ngx_http_gateway_jwt_token_claim(token, (u_char *) name,
                                             ngx_strlen(name), value, &number))
    {

    case NGX_HTTP_GATEWAY_JWT_STRING:
        return 1;

    case NGX_HTTP_GATEWAY_JWT_INTEGER:
        value->data = buf;
        value->len = ngx_sprintf(buf, "%L", number) - buf;
        return 1;

    default:
        return 0;
    }
}


/* NGX_OK, or NGX_ERROR after it was logged; what is there stays then */

static ngx_int_t
ngx_http_gateway_jwt_revoked_read(ngx_conf_t *cf, ngx_log_t *log,
    ngx_http_gateway_jwt_revoked_t *revoked)
{
    size_t                               line;
    ngx_str_t                            text;
    const char                          *reason;
    ngx_file_info_t                      fi;
    ngx_http_gateway_jwt_revoked_set_t  *set;

    if (ngx_http_gateway_jwt_file_read(cf, log, &revoked->name,
                                       NGX_HTTP_GATEWAY_JWT_REVOKED_SIZE,
                                       &text, &fi)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    set = ngx_http_gateway_jwt_revoked_set_new(text.data, text.len, &line,
                                               &reason);
    ngx_free(text.data);

    if (set == NULL) {
        ngx_http_gateway_jwt_complain(cf, log, 0,
                                      "revocations in \"%V\", line %uz: %s",
                                      &revoked->name, line,
                                      reason != NULL ? reason
                                                     : "out of memory");
        return NGX_ERROR;
    }

    ngx_http_gateway_jwt_revoked_set_free(revoked->set);

    revoked->set = set;
    revoked->fi = fi;

    return NGX_OK;
}


static void
ngx_http_gateway_jwt_revoked_timer(ngx_event_t *ev)
{
    ngx_http_gateway_jwt_revoked_main_conf_t *rmcf = ev->data;

    ngx_uint_t                        i;
    ngx_http_gateway_jwt_revoked_t  **revoked;

    revoked = rmcf->files.elts;

    for (i = 0; i < rmcf->files.nelts; i++) {
        ngx_http_gateway_jwt_revoked_check(revoked[i], ev->log);
    }

    if (!ngx_exiting) {
        ngx_add_timer(ev, NGX_HTTP_GATEWAY_JWT_REVOKED_CHECK);
    }
}


static void
ngx_http_gateway_jwt_revoked_check(ngx_http_gateway_jwt_revoked_t *revoked,
    ngx_log_t *log)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(revoked->name.data, &fi) == NGX_FILE_ERROR) {

        if (!revoked->is_missing) {
            revoked->is_missing = 1;
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          ngx_file_info_n " \"%V\" failed, the revocations "
                          "known so far are kept", &revoked->name);
        }

        return;
    }

    revoked->is_missing = 0;

    if (ngx_http_gateway_jwt_file_is_same(&fi, &revoked->fi)) {
        return;
    }

    /* a change of rights is another try, too */

    if (ngx_http_gateway_jwt_file_is_same(&fi, &revoked->tried)
        && fi.st_ctim.tv_sec == revoked->tried.st_ctim.tv_sec
        && fi.st_ctim.tv_nsec == revoked->tried.st_ctim.tv_nsec)
    {
        return;
    }

    revoked->tried = fi;

    if (ngx_http_gateway_jwt_revoked_read(NULL, log, revoked) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "\"%V\" was not taken, the %uz revocations known so far "
                      "are kept", &revoked->name,
                      ngx_http_gateway_jwt_revoked_set_number(revoked->set));
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0, "%uz revocations in \"%V\"",
                  ngx_http_gateway_jwt_revoked_set_number(revoked->set),
                  &revoked->name);
}


static void
ngx_http_gateway_jwt_revoked_cleanup(void *data)
{
    ngx_http_gateway_jwt_revoked_t  *revoked = data;

    ngx_http_gateway_jwt_revoked_set_free(revoked->set);
}


static char *
ngx_http_gateway_jwt_revoked_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gateway_jwt_revoked_loc_conf_t *rlcf = conf;

    ngx_str_t                                 *value;
    ngx_uint_t                                 i;
    ngx_pool_cleanup_t                        *cln;
    ngx_http_gateway_jwt_revoked_t            *revoked, **known;
    ngx_http_gateway_jwt_revoked_main_conf_t  *rmcf;

    if (rlcf->revoked != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->revoked = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf,
                                         ngx_http_gateway_jwt_revoked_module);
    known = rmcf->files.elts;

    for (i = 0; i < rmcf->files.nelts; i++) {
        if (known[i]->name.len == value[1].len
            && ngx_strcmp(known[i]->name.data, value[1].data) == 0)
        {
            rlcf->revoked = known[i];
            return NGX_CONF_OK;
        }
    }

    cln = ngx_pool_cleanup_add(cf->pool,
                               sizeof(ngx_http_gateway_jwt_revoked_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    revoked = cln->data;
    ngx_memzero(revoked, sizeof(ngx_http_gateway_jwt_revoked_t));

    revoked->name = value[1];
    cln->handler = ngx_http_gateway_jwt_revoked_cleanup;

    if (ngx_http_gateway_jwt_revoked_read(cf, cf->log, revoked) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    known = ngx_array_push(&rmcf->files);
    if (known == NULL) {
        return NGX_CONF_ERROR;
    }

    *known = revoked;
    rlcf->revoked = revoked;

    return NGX_CONF_OK;
}


static void *
ngx_http_gateway_jwt_revoked_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_jwt_revoked_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_gateway_jwt_revoked_main_conf_t));

    if (rmcf == NULL
        || ngx_array_init(&rmcf->files, cf->pool, 1,
                          sizeof(ngx_http_gateway_jwt_revoked_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return rmcf;
}


static void *
ngx_http_gateway_jwt_revoked_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_jwt_revoked_loc_conf_t  *rlcf;

    rlcf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_gateway_jwt_revoked_loc_conf_t));
    if (rlcf == NULL) {
        return NULL;
    }

    rlcf->revoked = NGX_CONF_UNSET_PTR;

    return rlcf;
}


static char *
ngx_http_gateway_jwt_revoked_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_jwt_revoked_loc_conf_t *prev = parent;
    ngx_http_gateway_jwt_revoked_loc_conf_t *conf = child;

    ngx_conf_merge_ptr_value(conf->revoked, prev->revoked, NULL);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_revoked_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                                 i;
    ngx_http_gateway_jwt_revoked_t           **revoked;
    ngx_http_gateway_jwt_revoked_main_conf_t  *rmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                         ngx_http_gateway_jwt_revoked_module);

    if (rmcf == NULL || rmcf->files.nelts == 0) {
        return NGX_OK;
    }

    revoked = rmcf->files.elts;

    for (i = 0; i < rmcf->files.nelts; i++) {

        /* better told now than when somebody has to be locked out */

        if (access((char *) revoked[i]->name.data, R_OK) == -1) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                          "\"%V\" cannot be read again by worker processes, "
                          "let their user read it", &revoked[i]->name);
        }
    }

    rmcf->timer.handler = ngx_http_gateway_jwt_revoked_timer;
    rmcf->timer.data = rmcf;
    rmcf->timer.log = cycle->log;
    rmcf->timer.cancelable = 1;

    ngx_add_timer(&rmcf->timer, NGX_HTTP_GATEWAY_JWT_REVOKED_CHECK);

    return NGX_OK;
}


static void
ngx_http_gateway_jwt_revoked_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_gateway_jwt_revoked_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                         ngx_http_gateway_jwt_revoked_module);

    if (rmcf != NULL && rmcf->timer.timer_set) {
        ngx_del_timer(&rmcf->timer);
    }
}
