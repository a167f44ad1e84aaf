/*
 * Copyright (C) the Warren authors
 *
 * Sockets to the broker, plain or with TLS.
 */

#include <stdio.h>

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

#include "broker_private.h"
#include "memory.h"


static int tls_files(struct broker_conn *conn, amqp_socket_t *sock);


amqp_socket_t *
broker_socket(struct broker_conn *conn, bool is_tls)
{
    amqp_socket_t  *sock;

    sock = is_tls ? amqp_ssl_socket_new(conn->state)
                  : amqp_tcp_socket_new(conn->state);

    if (sock == NULL) {
        wr_memory_out(sizeof(*conn));
    }

    return !is_tls || tls_files(conn, sock) == 0 ? sock : NULL;
}


/* The password is sent to nobody whose certificate and name are not right. */

static int
tls_files(struct broker_conn *conn, amqp_socket_t *sock)
{
    const char                     *what;
    const struct wr_broker_config  *config;

    config = conn->broker->config;

    amqp_ssl_socket_set_verify_peer(sock, 1);
    amqp_ssl_socket_set_verify_hostname(sock, 1);

    what = "broker.ca_file";

    if (amqp_ssl_socket_set_cacert(sock, config->ca_file) != AMQP_STATUS_OK) {
        goto failed;
    }

    what = "broker.certificate_file with broker.key_file";

    if (config->certificate_file[0] != '\0'
        && amqp_ssl_socket_set_key(sock, config->certificate_file,
                                   config->key_file)
           != AMQP_STATUS_OK)
    {
        goto failed;
    }

    what = "TLS 1.2";

    if (amqp_ssl_socket_set_ssl_versions(sock, AMQP_TLSv1_2, AMQP_TLSvLATEST)
        != AMQP_STATUS_OK)
    {
        goto failed;
    }

    return 0;

failed:

    snprintf(conn->broker->error, BROKER_ERROR_SIZE,
             "cannot connect to the broker: %s cannot be used", what);

    return -1;
}
