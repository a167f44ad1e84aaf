/*
 * Copyright (C) the Warren authors
 *
 * Hands e-mails to an SMTP server.
 */

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifications_smtp.h"
#include "settings.h"


/* A lane that waits longer would be taken for a stuck one. */
#define TIMEOUT_MAX_MS  30000


struct notifications_smtp {
    CURL  *curl;
    char   error[CURL_ERROR_SIZE];
    char   reason[CURL_ERROR_SIZE + 32];
};

struct source {
    const char  *text;
    size_t       left;
};


static bool set(CURL *curl, const struct wr_settings *settings);
static size_t read_source(char *to, size_t size, size_t n, void *data);
static enum notifications_smtp_result classify(struct notifications_smtp *smtp,
    CURLcode rc);


struct notifications_smtp *
notifications_smtp_new(const struct wr_settings *settings,
    const char **error_r)
{
    int64_t                     ms;
    const char                 *tls, *url;
    struct notifications_smtp  *smtp;

    tls = wr_settings_text(settings, "smtp.tls");
    url = wr_settings_text(settings, "smtp.url");
    ms = wr_settings_ms(settings, "smtp.timeout");

    if (strcmp(tls, "required") != 0 && strcmp(tls, "off") != 0) {
        *error_r = "smtp.tls is neither required nor off";
        return NULL;
    }

    if (strncmp(url, "smtp://", 7) != 0 && strncmp(url, "smtps://", 8) != 0) {
        *error_r = "smtp.url is not smtp://host:port or smtps://host:port";
        return NULL;
    }

    if (ms < 1 || ms > TIMEOUT_MAX_MS) {
        *error_r = "smtp.timeout is not within 1ms and 30s";
        return NULL;
    }

    smtp = calloc(1, sizeof(*smtp));

    if (smtp != NULL) {
        smtp->curl = curl_easy_init();
    }

    if (smtp == NULL || smtp->curl == NULL
        || curl_easy_setopt(smtp->curl, CURLOPT_ERRORBUFFER, smtp->error)
           != CURLE_OK
        || !set(smtp->curl, settings))
    {
        *error_r = "libcurl cannot be set up for smtp";
        notifications_smtp_free(&smtp);
    }

    return smtp;
}


void
notifications_smtp_free(struct notifications_smtp **smtp)
{
    if (*smtp != NULL) {
        curl_easy_cleanup((*smtp)->curl);
        free(*smtp);
        *smtp = NULL;
    }
}


/* Nothing comes from the environment: no proxy, no .netrc. */

static bool
set(CURL *curl, const struct wr_settings *settings)
{
    long         ms, ssl;
    const char  *user, *ca_file;

    ms = (long) wr_settings_ms(settings, "smtp.timeout");
    user = wr_settings_text(settings, "smtp.user");
    ca_file = wr_settings_text(settings, "smtp.ca_file");
    ssl = (strcmp(wr_settings_text(settings, "smtp.tls"), "required") == 0)
          ? (long) CURLUSESSL_ALL : (long) CURLUSESSL_NONE;

    return curl_easy_setopt(curl, CURLOPT_URL,
                            wr_settings_text(settings, "smtp.url"))
               == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps")
               == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_USE_SSL, ssl) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_source)
               == CURLE_OK
           && (ca_file[0] == '\0'
               || curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK)
           && (user[0] == '\0'
               || (curl_easy_setopt(curl, CURLOPT_USERNAME, user) == CURLE_OK
                   && curl_easy_setopt(curl, CURLOPT_PASSWORD,
                                       wr_settings_secret(
                                           settings, "smtp.password_file"))
                       == CURLE_OK));
}


enum notifications_smtp_result
notifications_smtp_send(struct notifications_smtp *smtp, const char *from,
    const char *to, const char *text, size_t len, const char **reason_r)
{
    CURLcode            rc;
    struct source       source;
    struct curl_slist  *recipients;

    source.text = text;
    source.left = len;
    smtp->error[0] = '\0';
    *reason_r = smtp->reason;
    recipients = curl_slist_append(NULL, to);

    if (recipients == NULL
        || curl_easy_setopt(smtp->curl, CURLOPT_MAIL_FROM, from) != CURLE_OK)
    {
        curl_slist_free_all(recipients);
        strcpy(smtp->reason, "out of memory");
        return NOTIFICATIONS_SMTP_LATER;
    }

    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(smtp->curl, CURLOPT_READDATA, &source);
    curl_easy_setopt(smtp->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) len);
    rc = curl_easy_perform(smtp->curl);

    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, NULL);
    curl_easy_setopt(smtp->curl, CURLOPT_READDATA, NULL);
    curl_slist_free_all(recipients);

    return classify(smtp, rc);
}


static size_t
read_source(char *to, size_t size, size_t n, void *data)
{
    size_t          len;
    struct source  *source;

    source = data;
    len = size * n;
    len = (len < source->left) ? len : source->left;

    memcpy(to, source->text, len);
    source->text += len;
    source->left -= len;

    return len;
}


/*
 * 4yz asks us to come again.  5yz is final where it is about the recipient or
 * the mail; what the server has against us (any mail from here, the login, our
 * sender address) somebody must mend.
 */

static enum notifications_smtp_result
classify(struct notifications_smtp *smtp, CURLcode rc)
{
    long  status;

    if (rc == CURLE_OK) {
        smtp->reason[0] = '\0';
        return NOTIFICATIONS_SMTP_SENT;
    }

    status = 0;
    curl_easy_getinfo(smtp->curl, CURLINFO_RESPONSE_CODE, &status);
    snprintf(smtp->reason, sizeof(smtp->reason), "%s (%ld)",
             smtp->error[0] != '\0' ? smtp->error : curl_easy_strerror(rc),
             status);

    if (status < 500 || status > 599
        || status == 530 || status == 534 || status == 535 || status == 538
        || rc == CURLE_LOGIN_DENIED || rc == CURLE_USE_SSL_FAILED
        || rc == CURLE_REMOTE_ACCESS_DENIED
        || strncmp(smtp->error, "Got unexpected ", 15) == 0
        || strncmp(smtp->error, "MAIL ", 5) == 0)
    {
        return NOTIFICATIONS_SMTP_LATER;
    }

    return NOTIFICATIONS_SMTP_BOUNCED;
}
