/*
 * Copyright (C) the Warren authors
 *
 * Reading of the files that tokens are judged by.
 */

#include "ngx_http_gateway_jwt_file.h"


void
ngx_http_gateway_jwt_complain(ngx_conf_t *cf, ngx_log_t *log, ngx_err_t err,
    const char *format, ...)
{
    u_char   text[NGX_HTTP_GATEWAY_JWT_COMPLAINT], *last;
    va_list  args;

    va_start(args, format);
    last = ngx_vslprintf(text, text + sizeof(text) - 1, format, args);
    va_end(args);

    *last = '\0';

    if (cf != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err, "%s", text);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, err, "%s", text);
    }
}


ngx_int_t
ngx_http_gateway_jwt_file_read(ngx_conf_t *cf, ngx_log_t *log,
    ngx_str_t *name, size_t max, ngx_str_t *text, ngx_file_info_t *fi_r)
{
    ssize_t          n;
    ngx_err_t        err;
    ngx_file_t       file;
    ngx_file_info_t  fi, after;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *name;
    file.log = log;

    /* not waiting for somebody to write to it, should it be a pipe */

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        err = ngx_errno;
        ngx_http_gateway_jwt_complain(cf, log, err, ngx_open_file_n
                                      " \"%V\" failed", name);
        return err == NGX_ENOENT ? NGX_DECLINED : NGX_ERROR;
    }

    text->data = NULL;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR) {
        ngx_http_gateway_jwt_complain(cf, log, ngx_errno, ngx_fd_info_n
                                      " \"%V\" failed", name);
        goto failed;
    }

    if (!ngx_is_file(&fi) || ngx_file_size(&fi) > (off_t) max) {
        ngx_http_gateway_jwt_complain(cf, log, 0, "\"%V\" is not a file of at "
                                      "most %uz bytes", name, max);
        goto failed;
    }

    text->len = (size_t) ngx_file_size(&fi);

    text->data = ngx_alloc(text->len + 1, log);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_file(&file, text->data, text->len, 0);

    if (n == NGX_ERROR || (size_t) n != text->len
        || ngx_fd_info(file.fd, &after) == NGX_FILE_ERROR
        || !ngx_http_gateway_jwt_file_is_same(&fi, &after))
    {
        ngx_http_gateway_jwt_complain(cf, log, 0, "could not read \"%V\", or "
                                      "it was written to meanwhile", name);
        goto failed;
    }

    text->data[text->len] = '\0';

    if (fi_r != NULL) {
        *fi_r = fi;
    }

    (void) ngx_close_file(file.fd);

    return NGX_OK;

failed:

    ngx_free(text->data);
    (void) ngx_close_file(file.fd);

    return NGX_ERROR;
}


ngx_uint_t
ngx_http_gateway_jwt_file_is_same(ngx_file_info_t *one, ngx_file_info_t *two)
{
    return one->st_dev == two->st_dev
           && ngx_file_uniq(one) == ngx_file_uniq(two)
           && ngx_file_size(one) == ngx_file_size(two)
           && one->st_mtim.tv_sec == two->st_mtim.tv_sec
           && one->st_mtim.tv_nsec == two->st_mtim.tv_nsec;
}
