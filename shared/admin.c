/*
 * Copyright (C) the Warren authors
 *
 * The worker's HTTP, on libmicrohttpd with the caller's loop.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "arena.h"
#include "json.h"
#include "log.h"
#include "memory.h"
#include "stats_private.h"
#include "version.h"


/* A probe asks now and then; who opens more is not one. */
#define CONNECTIONS_MAX       64

/* of silence, before a connection is closed */
#define IDLE_TIMEOUT_SEC      10

#define CONNECTION_BYTES      16384

#define BACKLOG               64

#define TYPE_JSON             "application/json"
#define TYPE_TEXT             "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS                                                      \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"


struct wr_admin {
    struct MHD_Daemon      *daemon;
    const char             *service;
    const struct wr_stats  *stats;
    int                     fd;             /* MHD's epoll */
    char                    address[WR_ADMIN_ADDRESS_SIZE];
};


/* of one path; gives back the body, in malloc()ed memory */

struct page {
    const char  *path;
    char        *(*write)(const struct wr_admin *admin,
                          struct MHD_Connection *connection,
                          unsigned *status_r, const char **type_r,
                          size_t *len_r);
};


static int socket_open(const char *listen, char *error, size_t error_size);
static int socket_bind(const struct addrinfo *info);
static void address_tell(struct wr_admin *admin, int fd);
static enum MHD_Result answer(void *data, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_len, void **state);
static enum MHD_Result page_send(const struct wr_admin *admin,
    const struct page *page, struct MHD_Connection *connection);
static enum MHD_Result error_send(struct MHD_Connection *connection,
    unsigned status, const char *text);
static enum MHD_Result body_send(struct MHD_Connection *connection,
    unsigned status, const char *type, char *body, size_t len);
static char *live_write(const struct wr_admin *admin,
    struct MHD_Connection *connection, unsigned *status_r,
    const char **type_r, size_t *len_r);
static char *ready_write(const struct wr_admin *admin,
    struct MHD_Connection *connection, unsigned *status_r,
    const char **type_r, size_t *len_r);
static char *metrics_write(const struct wr_admin *admin,
    struct MHD_Connection *connection, unsigned *status_r,
    const char **type_r, size_t *len_r);
static void log_write(void *data, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));


static const struct page  pages[] = {
    { "/live", live_write },
    { "/ready", ready_write },
    { "/metrics", metrics_write },
    { NULL, NULL }
};


struct wr_admin *
wr_admin_start(const char *listen, const char *service,
    const struct wr_stats *stats, char *error_r, size_t error_size)
{
    int                            fd;
    struct wr_admin               *admin;
    const union MHD_DaemonInfo    *info;

    fd = socket_open(listen, error_r, error_size);

    if (fd == -1) {
        return NULL;
    }

    admin = wr_memory_alloc(1, sizeof(struct wr_admin));
    admin->service = service;
    admin->stats = stats;
    address_tell(admin, fd);

    admin->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, answer, admin,
        MHD_OPTION_EXTERNAL_LOGGER, log_write, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_TIMEOUT_SEC,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_BYTES,
        MHD_OPTION_END);

    info = (admin->daemon != NULL)
           ? MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)
           : NULL;

    if (info == NULL) {
        snprintf(error_r, error_size, "libmicrohttpd does not start");

        if (admin->daemon != NULL) {
            MHD_stop_daemon(admin->daemon);

        } else {
            close(fd);
        }

        free(admin);
        return NULL;
    }

    admin->fd = info->epoll_fd;

    return admin;
}


void
wr_admin_stop(struct wr_admin **admin)
{
    if (*admin == NULL) {
        return;
    }

    MHD_stop_daemon((*admin)->daemon);
    free(*admin);
    *admin = NULL;
}


const char *
wr_admin_address(const struct wr_admin *admin)
{
    return admin->address;
}


int
wr_admin_fd(const struct wr_admin *admin)
{
    return admin->fd;
}


int
wr_admin_timeout_ms(const struct wr_admin *admin)
{
    MHD_UNSIGNED_LONG_LONG  timeout_ms;

    if (MHD_get_timeout(admin->daemon, &timeout_ms) != MHD_YES) {
        return -1;
    }

    return timeout_ms < 3600000 ? (int) timeout_ms : 3600000;
}


void
wr_admin_run(struct wr_admin *admin)
{
    MHD_run(admin->daemon);
}


const char *
wr_admin_library_version(void)
{
    return MHD_get_version();
}


static int
socket_open(const char *listen, char *error, size_t error_size)
{
    int               fd, rc;
    char              host[WR_ADMIN_ADDRESS_SIZE];
    size_t            len;
    const char       *colon;
    struct addrinfo  *infos, *info;
    struct addrinfo   hints = { .ai_socktype = SOCK_STREAM,
                                .ai_flags = AI_PASSIVE };

    colon = strrchr(listen, ':');
    len = (colon != NULL) ? (size_t) (colon - listen) : sizeof(host);

    if (len >= sizeof(host)) {
        snprintf(error, error_size, "\"%s\" is not address:port", listen);
        return -1;
    }

    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    }

    memcpy(host, listen, len);
    host[len] = '\0';

    rc = getaddrinfo((len == 0 || strcmp(host, "*") == 0) ? NULL : host,
                     colon + 1, &hints, &infos);

    if (rc != 0) {
        snprintf(error, error_size, "\"%s\": %s", host, gai_strerror(rc));
        return -1;
    }

    fd = -1;

    for (info = infos; info != NULL && fd == -1; info = info->ai_next) {
        fd = socket_bind(info);
    }

    if (fd == -1) {
        snprintf(error, error_size, "%s%s: %s", host, colon, strerror(errno));
    }

    freeaddrinfo(infos);

    return fd;
}


static int
socket_bind(const struct addrinfo *info)
{
    int  fd, on, saved;

    fd = socket(info->ai_family, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);

    if (fd == -1) {
        return -1;
    }

    on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0
        && listen(fd, BACKLOG) == 0)
    {
        return fd;
    }

    saved = errno;
    close(fd);
    errno = saved;

    return -1;
}


static void
address_tell(struct wr_admin *admin, int fd)
{
    char                     host[64], port[8];
    socklen_t                len;
    struct sockaddr_storage  address;

    len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *) &address, &len) != 0
        || getnameinfo((struct sockaddr *) &address, len, host, sizeof(host),
                       port, sizeof(port), NI_NUMERICHOST|NI_NUMERICSERV) != 0)
    {
        strcpy(admin->address, "an unknown address");
        return;
    }

    snprintf(admin->address, sizeof(admin->address),
             address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}


/* Called first with the head of a request, then once more for its end. */
static enum MHD_Result
answer(void *data, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_len, void **state)
{
    const struct page      *page;
    const struct wr_admin  *admin;

    static char  seen;

    (void) version;
    (void) upload;

    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }

    if (*upload_len != 0) {
        *upload_len = 0;
        return MHD_YES;
    }

    admin = data;

    for (page = pages; page->path != NULL; page++) {
        if (strcmp(page->path, url) == 0) {
            break;
        }
    }

    if (page->path == NULL) {
        return error_send(connection, MHD_HTTP_NOT_FOUND,
                          "there are /live, /ready and /metrics\n");
    }

    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0
        && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
    {
        return error_send(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                          "only GET and HEAD\n");
    }

    return page_send(admin, page, connection);
}


static enum MHD_Result
page_send(const struct wr_admin *admin, const struct page *page,
    struct MHD_Connection *connection)
{
    char        *body;
    size_t       len;
    unsigned     status;
    const char  *type;

    body = page->write(admin, connection, &status, &type, &len);

    return body_send(connection, status, type, body, len);
}


static enum MHD_Result
error_send(struct MHD_Connection *connection, unsigned status,
    const char *text)
{
    char  *body;

    body = wr_memory_alloc(1, strlen(text) + 1);
    strcpy(body, text);

    return body_send(connection, status, "text/plain", body, strlen(text));
}


/* The body is given away. */
static enum MHD_Result
body_send(struct MHD_Connection *connection, unsigned status,
    const char *type, char *body, size_t len)
{
    enum MHD_Result       rc;
    struct MHD_Response  *response;

    response = MHD_create_response_from_buffer(len, body,
                                               MHD_RESPMEM_MUST_FREE);

    if (response == NULL) {
        free(body);
        return MHD_NO;
    }

    rc = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);

    if (rc == MHD_YES) {
        rc = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                                     "no-store");
    }

    if (rc == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        rc = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                     "GET, HEAD");
    }

    if (rc == MHD_YES) {
        rc = MHD_queue_response(connection, status, response);
    }

    MHD_destroy_response(response);

    return rc;
}


/* That it is answered is the answer: the supervisor's loop turns. */
static char *
live_write(const struct wr_admin *admin, struct MHD_Connection *connection,
    unsigned *status_r, const char **type_r, size_t *len_r)
{
    char  *body;

    (void) admin;
    (void) connection;

    body = wr_memory_alloc(1, sizeof("{\"live\":true}\n"));
    strcpy(body, "{\"live\":true}\n");

    *status_r = MHD_HTTP_OK;
    *type_r = TYPE_JSON;
    *len_r = strlen(body);

    return body;
}


static char *
ready_write(const struct wr_admin *admin, struct MHD_Connection *connection,
    unsigned *status_r, const char **type_r, size_t *len_r)
{
    int                     lane;
    char                   *body;
    bool                    is_ready;
    struct wr_arena        *arena;
    enum wr_lane_state      state;
    struct wr_json_writer  *writer;

    (void) connection;

    arena = wr_arena_new();
    writer = wr_json_writer_new(arena);
    is_ready = true;

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "service", admin->service);
    wr_json_array_begin(writer, "lanes");

    for (lane = 0; lane < admin->stats->lanes; lane++) {
        state = wr_stats_lane_state(admin->stats, lane);
        is_ready = is_ready && state == WR_LANE_READY;

        wr_json_object_begin(writer, NULL);
        wr_json_put_int(writer, "lane", lane);
        wr_json_put_text(writer, "state", wr_lane_state_name(state));
        wr_json_object_end(writer);
    }

    wr_json_array_end(writer);
    wr_json_put_bool(writer, "ready", is_ready);
    wr_json_object_end(writer);

    body = strdup(wr_json_writer_text(writer, len_r));

    if (body == NULL) {
        wr_memory_out(*len_r);
    }

    wr_arena_free(&arena);

    *status_r = is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    *type_r = TYPE_JSON;

    return body;
}


/* OpenMetrics for who asks for it, as Prometheus does; else the older form. */
static char *
metrics_write(const struct wr_admin *admin, struct MHD_Connection *connection,
    unsigned *status_r, const char **type_r, size_t *len_r)
{
    bool         is_openmetrics;
    const char  *accept;

    accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                         MHD_HTTP_HEADER_ACCEPT);
    is_openmetrics = accept != NULL
                     && strstr(accept, "application/openmetrics-text") != NULL;

    *status_r = MHD_HTTP_OK;
    *type_r = is_openmetrics ? TYPE_OPENMETRICS : TYPE_TEXT;

    return wr_stats_text_as(admin->stats, admin->service, is_openmetrics,
                            len_r);
}


static void
log_write(void *data, const char *format, va_list args)
{
    int   len;
    char  text[512];

    (void) data;

    len = vsnprintf(text, sizeof(text), format, args);

    while (len > 0 && (size_t) len < sizeof(text)
           && (text[len - 1] == '\n' || text[len - 1] == '\r'))
    {
        text[--len] = '\0';
    }

    wr_log_debug(NULL, "http: %s", text);
}
