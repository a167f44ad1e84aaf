/*
 * Copyright (C) the Warren authors
 *
 * Files that tokens are judged by, read whole, while the configuration is read
 * or by a worker process.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_FILE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* bytes of a complaint; it is cut there */

#define NGX_HTTP_GATEWAY_JWT_COMPLAINT  1024


/*
 * Logs what is wrong: as an emergency with the line of the configuration if cf
 * is given, else as an error to log.
 */
void ngx_http_gateway_jwt_complain(ngx_conf_t *cf, ngx_log_t *log,
    ngx_err_t err, const char *format, ...);

/*
 * Reads a file of at most max bytes.  text is the caller's to free with
 * ngx_free(); *fi_r, unless it is NULL, is how the file was when it was opened.
 *
 *     NGX_OK
 *     NGX_DECLINED  it is not there
 *     NGX_ERROR     it cannot be read, or has changed meanwhile
 *
 * Both but the first have been logged.
 */
ngx_int_t ngx_http_gateway_jwt_file_read(ngx_conf_t *cf, ngx_log_t *log,
    ngx_str_t *name, size_t max, ngx_str_t *text, ngx_file_info_t *fi_r);

/* Whether a file is the same, and was not written to since. */
ngx_uint_t ngx_http_gateway_jwt_file_is_same(ngx_file_info_t *one,
    ngx_file_info_t *two);


#endif /* _NGX_HTTP_GATEWAY_JWT_FILE_H_INCLUDED_ */
