/*
 * Copyright (C) the Warren authors
 *
 * TLS to the broker: the handshake, who it is that answers, sessions that are
 * taken up again, and the farewell.  The password is sent when all of it is
 * done.
 */


#include "ngx_amqp_private.h"


#if (NGX_SSL)

static const ngx_str_t *ngx_amqp_tls_host(ngx_amqp_connection_t *ac);
static ngx_int_t ngx_amqp_tls_name(ngx_amqp_connection_t *ac,
    ngx_str_t *name);
static void ngx_amqp_tls_handler(ngx_connection_t *c);
static ngx_int_t ngx_amqp_tls_verify(ngx_amqp_connection_t *ac);
static ngx_int_t ngx_amqp_tls_verify_name(ngx_amqp_connection_t *ac,
    X509 *cert);
static void ngx_amqp_tls_session(ngx_connection_t *c);


ngx_int_t
ngx_amqp_tls_start(ngx_amqp_connection_t *ac)
{
    ngx_int_t           rc;
    ngx_str_t           name;
    ngx_connection_t   *c;
    ngx_amqp_target_t  *target;

    c = ac->peer.connection;
    target = ngx_amqp_target(ac);

    ngx_amqp_set_state(ac, ngx_amqp_st_securing);

    if (ngx_ssl_create_connection(ac->broker->tls->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_amqp_tls_name(ac, &name);

    if (rc == NGX_ERROR
        || (rc == NGX_OK
            && SSL_set_tlsext_host_name(c->ssl->connection,
                                        (char *) name.data)
               == 0))
    {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "the broker's name cannot be asked for");
        return NGX_ERROR;
    }

    /* one that does not fit is no reason to fail: the handshake is longer */

    if (target->session) {
        (void) ngx_ssl_set_session(c, target->session);
    }

    c->ssl->save_session = ngx_amqp_tls_session;
    c->ssl->handler = ngx_amqp_tls_handler;

    ngx_add_timer(&ac->deadline, ac->broker->connect_timeout);

    rc = ngx_ssl_handshake(c);

    return rc == NGX_OK ? ngx_amqp_tls_verify(ac) : rc;
}


/*
 * The name to ask for, ended by a zero; an address is not asked for.  NGX_OK,
 * NGX_DECLINED or NGX_ERROR.
 */

static ngx_int_t
ngx_amqp_tls_name(ngx_amqp_connection_t *ac, ngx_str_t *name)
{
    u_char  *p;

    *name = *ngx_amqp_tls_host(ac);

    if (name->len == 0 || name->data[0] == '['
        || ngx_inet_addr(name->data, name->len) != INADDR_NONE)
    {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(ac->peer.connection->pool, name->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(p, name->data, name->len + 1);
    name->data = p;

    return NGX_OK;
}


static const ngx_str_t *
ngx_amqp_tls_host(ngx_amqp_connection_t *ac)
{
    return ac->broker->tls->name.len ? &ac->broker->tls->name
                                     : &ngx_amqp_target(ac)->url->host;
}


static void
ngx_amqp_tls_handler(ngx_connection_t *c)
{
    ngx_amqp_connection_t  *ac;

    ac = c->data;

    if (!c->ssl->handshaked || ngx_amqp_tls_verify(ac) != NGX_OK) {

        /* it has been logged, but for a broker that just closed the socket */

        if (!c->ssl->handshaked) {
            ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                          "TLS handshake with broker failed");
        }

        ngx_amqp_lost(ac);
        return;
    }

    ngx_amqp_secured(ac);
}


static ngx_int_t
ngx_amqp_tls_verify(ngx_amqp_connection_t *ac)
{
    long               rc;
    X509              *cert;
    ngx_int_t          valid;
    ngx_connection_t  *c;

    c = ac->peer.connection;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &ac->log, 0, "amqp tls: %s reused:%d",
                   SSL_get_version(c->ssl->connection),
                   SSL_session_reused(c->ssl->connection));

    if (!ac->broker->tls->verify) {
        return NGX_OK;
    }

    rc = SSL_get_verify_result(c->ssl->connection);
    cert = SSL_get_peer_certificate(c->ssl->connection);

    if (cert == NULL || rc != X509_V_OK) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "certificate of broker is not trusted: %s",
                      cert ? X509_verify_cert_error_string(rc) : "none sent");
        valid = NGX_ERROR;

    } else {
        valid = ngx_amqp_tls_verify_name(ac, cert);
    }

    X509_free(cert);

    if (valid != NGX_OK) {

        /* what was agreed on with it is not taken up again */

        ngx_amqp_tls_forget(ngx_amqp_target(ac));
    }

    return valid;
}


static ngx_int_t
ngx_amqp_tls_verify_name(ngx_amqp_connection_t *ac, X509 *cert)
{
    int         rc;
    u_char      text[NGX_INET6_ADDRSTRLEN + 1];
    ngx_str_t   name;

    name = *ngx_amqp_tls_host(ac);

    if (name.len && name.data[0] == '[') {
        name.data++;
        name.len -= 2;
    }

    rc = X509_check_host(cert, (char *) name.data, name.len, 0, NULL);

    if (rc != 1 && name.len < sizeof(text)) {

        /* another kind of name: of no meaning if it is no address */

        (void) ngx_cpystrn(text, name.data, name.len + 1);
        rc = X509_check_ip_asc(cert, (char *) text, 0);
    }

    if (rc == 1) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                  "certificate of broker is for another name than \"%V\"",
                  &name);

    return NGX_ERROR;
}


/* OpenSSL has a session for later; with TLS 1.3 long after the handshake */

static void
ngx_amqp_tls_session(ngx_connection_t *c)
{
    ngx_amqp_target_t      *target;
    ngx_ssl_session_t      *session;
    ngx_amqp_connection_t  *ac;

    ac = c->data;
    target = ngx_amqp_target(ac);

    session = ngx_ssl_get_session(c);

    if (session) {
        ngx_amqp_tls_forget(target);
        target->session = session;
    }
}


void
ngx_amqp_tls_forget(ngx_amqp_target_t *target)
{
    if (target->session) {
        ngx_ssl_free_session(target->session);
        target->session = NULL;
    }
}


void
ngx_amqp_tls_told(ngx_amqp_connection_t *ac)
{
    SSL  *ssl;

    ssl = ac->peer.connection->ssl->connection;

    ngx_log_error(NGX_LOG_NOTICE, &ac->log, 0,
                  "broker is ready over %s%s", SSL_get_version(ssl),
                  SSL_session_reused(ssl) ? ", session reused" : "");
}


void
ngx_amqp_tls_close(ngx_connection_t *c)
{
    if (c->ssl == NULL) {
        return;
    }

    /* what the broker says to it is not waited for */

    c->ssl->no_wait_shutdown = 1;

    if (ngx_ssl_shutdown(c) == NGX_AGAIN) {

        /* nor is a socket that takes nothing */

        c->ssl->no_send_shutdown = 1;
        (void) ngx_ssl_shutdown(c);
    }
}

#else

ngx_int_t
ngx_amqp_tls_start(ngx_amqp_connection_t *ac)
{
    /* not reached: such a url is refused by an nginx without OpenSSL */

    return NGX_ERROR;
}


void
ngx_amqp_tls_forget(ngx_amqp_target_t *target)
{
    /* void */
}


void
ngx_amqp_tls_told(ngx_amqp_connection_t *ac)
{
    /* void */
}


void
ngx_amqp_tls_close(ngx_connection_t *c)
{
    /* void */
}

#endif
