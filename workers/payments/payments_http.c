/*
 * Copyright (C) the Warren authors
 *
 * A provider that is spoken to over HTTP, JSON both ways.  All transfers of a
 * lane run beside one another, and none of them is waited for.
 *
 * Only two things are certain: what the provider says in full, and that nothing
 * has happened when it was not reached.  Whatever else becomes of a transfer is
 * uncertain.
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "clock.h"
#include "payments.h"
#include "payments_card.h"


/* of an answer */
#define ANSWER_MAX    65536

/* An end that nobody has asked for by then is nobody's: whoever began it was
   given up with the connection to the broker. */
#define KEPT_MS       120000

#define HEADER_SIZE   4352


struct transfer {
    struct transfer          *next;
    uint64_t                  ticket;
    CURL                     *easy;         /* NULL: it has ended */
    struct curl_slist        *headers;
    struct wr_arena          *arena;        /* it lives there */
    enum payments_what        what;
    bool                      is_question;
    int64_t                   amount_cents;
    const char               *currency;
    char                     *answer;
    size_t                    answer_len;
    int64_t                   end_ms;
    struct payments_result    result;
};

struct provider {
    CURLM                    *multi;
    const char               *url;
    const char               *ca_file;
    char                      authorization[HEADER_SIZE];
    int64_t                   timeout_ms;
    uint64_t                  last_ticket;
    struct transfer          *transfers;
};


static int init(const struct wr_settings *settings, void **state_r,
    const char **error_r);
static bool is_allowed(const char *url);
static uint64_t begin(void *state, const struct payments_job *job,
    bool is_question);
static bool prepare(struct provider *provider, struct transfer *transfer,
    const struct payments_job *job);
static const char *make_url(struct provider *provider,
    struct transfer *transfer, const struct payments_job *job);
static const char *make_body(struct transfer *transfer,
    const struct payments_job *job);
static size_t take(char *data, size_t size, size_t count, void *user);
static bool look(void *state, uint64_t ticket,
    struct payments_result *result_r);
static void pump(struct provider *provider);
static void end(struct provider *provider, struct transfer *transfer,
    CURLcode code);
static void read_answer(struct transfer *transfer, long status);
static const struct wr_json *find(struct transfer *transfer,
    const struct wr_json *answer);
static void read_job(struct transfer *transfer, const struct wr_json *job);
static void conclude(struct transfer *transfer,
    enum payments_outcome outcome, const char *reason);
static bool is_word(const char *text, size_t max);
static void free_transfer(struct transfer *transfer);


const struct payments_provider  payments_http = {
    .name = "http", .init = init, .begin = begin, .look = look
};


static int
init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static struct provider  provider;

    int          n;
    const char  *key;

    provider.url = wr_settings_text(settings, PAYMENTS_URL);
    provider.ca_file = wr_settings_text(settings, PAYMENTS_CA_FILE);
    provider.timeout_ms = wr_settings_ms(settings, PAYMENTS_TIMEOUT);
    key = wr_settings_secret(settings, PAYMENTS_KEY_FILE);

    if (!is_allowed(provider.url)) {
        *error_r = PAYMENTS_URL " is neither https://… nor http:// on the "
                   "loopback";
        return -1;
    }

    if (key[0] == '\0') {
        *error_r = PAYMENTS_KEY_FILE " has no key";
        return -1;
    }

    n = snprintf(provider.authorization, sizeof(provider.authorization),
                 "Authorization: Bearer %s", key);

    if (n < 0 || (size_t) n >= sizeof(provider.authorization)) {
        *error_r = "the key in " PAYMENTS_KEY_FILE " is too long";
        return -1;
    }

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK
        || (provider.multi = curl_multi_init()) == NULL)
    {
        *error_r = "libcurl does not start";
        return -1;
    }

    *state_r = &provider;

    return 0;
}


/* A key is not sent in the clear to another machine. */

static bool
is_allowed(const char *url)
{
    size_t                    i, len;
    static const char *const  hosts[] = { "127.0.0.1", "[::1]", "localhost" };

    if (strncmp(url, "https://", 8) == 0) {
        return url[8] != '\0';
    }

    if (strncmp(url, "http://", 7) != 0) {
        return false;
    }

    for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        len = strlen(hosts[i]);

        if (strncmp(url + 7, hosts[i], len) == 0
            && (url[7 + len] == ':' || url[7 + len] == '/'
                || url[7 + len] == '\0'))
        {
            return strchr(url, '@') == NULL;
        }
    }

    return false;
}


static uint64_t
begin(void *state, const struct payments_job *job, bool is_question)
{
    struct wr_arena  *arena;
    struct provider  *provider;
    struct transfer  *transfer;

    provider = state;
    arena = wr_arena_new();
    transfer = wr_arena_alloc(arena, sizeof(*transfer));
    transfer->arena = arena;
    transfer->ticket = ++provider->last_ticket;
    transfer->what = job->what;
    transfer->is_question = is_question;
    transfer->amount_cents = job->amount_cents;
    transfer->currency = wr_arena_strdup(arena, job->currency);
    transfer->next = provider->transfers;
    provider->transfers = transfer;

    if (!prepare(provider, transfer, job)
        || curl_multi_add_handle(provider->multi, transfer->easy) != CURLM_OK)
    {
        conclude(transfer, PAYMENTS_FAILED, "libcurl does not take it");
        transfer->end_ms = wr_clock_ms();
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
    }

    return transfer->ticket;
}


static bool
prepare(struct provider *provider, struct transfer *transfer,
    const struct payments_job *job)
{
    bool               is_set;
    CURL              *easy;
    const char        *key, *lines[4];
    size_t             i;
    struct curl_slist *headers;

    transfer->easy = easy = curl_easy_init();

    if (easy == NULL) {
        return false;
    }

    key = wr_arena_printf(transfer->arena, "Idempotency-Key: %s", job->key);
    lines[0] = provider->authorization;
    lines[1] = "Accept: application/json";
    lines[2] = transfer->is_question ? NULL : key;
    lines[3] = transfer->is_question ? NULL : "Content-Type: application/json";

    for (i = 0; i < 4 && lines[i] != NULL; i++) {
        headers = curl_slist_append(transfer->headers, lines[i]);

        if (headers == NULL) {
            return false;
        }

        transfer->headers = headers;
    }

    is_set = curl_easy_setopt(easy, CURLOPT_URL,
                              make_url(provider, transfer, job)) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers)
           == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_USERAGENT, "warren-payments")
           == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                            (long) provider->timeout_ms) == CURLE_OK;

    if (is_set && provider->ca_file[0] != '\0') {
        is_set = curl_easy_setopt(easy, CURLOPT_CAINFO, provider->ca_file)
                 == CURLE_OK;
    }

    /* On a connection that was used before, and ends without an answer,
       libcurl would send a job once more: the provider is to be asked. */

    if (is_set && !transfer->is_question) {
        is_set = curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK
            && curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
                                make_body(transfer, job)) == CURLE_OK;
    }

    return is_set;
}


static const char *
make_url(struct provider *provider, struct transfer *transfer,
    const struct payments_job *job)
{
    int          len;
    const char  *what;

    what = (job->what == PAYMENTS_CHARGE) ? "charges" : "refunds";
    len = (int) strlen(provider->url);

    while (len > 0 && provider->url[len - 1] == '/') {
        len--;
    }

    if (transfer->is_question) {
        return wr_arena_printf(transfer->arena, "%.*s/%s?idempotency_key=%s",
                               len, provider->url, what, job->key);
    }

    return wr_arena_printf(transfer->arena, "%.*s/%s", len, provider->url,
                           what);
}


static const char *
make_body(struct transfer *transfer, const struct payments_job *job)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(transfer->arena);

    wr_json_object_begin(writer, NULL);
    wr_json_put_int(writer, "amount_cents", job->amount_cents);
    wr_json_put_text(writer, "currency", job->currency);
    wr_json_put_text(writer, "order_id", job->order_id);

    if (job->what == PAYMENTS_CHARGE) {
        wr_json_put_text(writer, "payment_method", job->method);

    } else {
        wr_json_put_text(writer, "charge", job->charge);
    }

    wr_json_object_end(writer);

    return wr_json_writer_text(writer, NULL);
}


static size_t
take(char *data, size_t size, size_t count, void *user)
{
    char             *answer;
    size_t            len;
    struct transfer  *transfer;

    transfer = user;
    len = size * count;

    if (len > ANSWER_MAX - transfer->answer_len) {
        return 0;
    }

    answer = realloc(transfer->answer, transfer->answer_len + len + 1);

    if (answer == NULL) {
        return 0;
    }

    memcpy(answer + transfer->answer_len, data, len);
    transfer->answer = answer;
    transfer->answer_len += len;

    return len;
}


static bool
look(void *state, uint64_t ticket, struct payments_result *result_r)
{
    struct provider  *provider;
    struct transfer  *transfer, **place;

    provider = state;
    pump(provider);

    for (place = &provider->transfers; *place != NULL;
         place = &(*place)->next)
    {
        if ((*place)->ticket == ticket) {
            break;
        }
    }

    transfer = *place;

    if (transfer == NULL) {
        memset(result_r, 0, sizeof(*result_r));
        result_r->outcome = PAYMENTS_UNCERTAIN;
        return true;
    }

    if (transfer->easy != NULL) {
        return false;
    }

    *result_r = transfer->result;
    *place = transfer->next;
    free_transfer(transfer);

    return true;
}


static void
pump(struct provider *provider)
{
    int                running, left;
    CURLMsg           *msg;
    int64_t            now_ms;
    struct transfer   *transfer, **place;

    curl_multi_perform(provider->multi, &running);

    while ((msg = curl_multi_info_read(provider->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE
            && curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
                                 &transfer) == CURLE_OK)
        {
            end(provider, transfer, msg->data.result);
        }
    }

    now_ms = wr_clock_ms();

    for (place = &provider->transfers; (transfer = *place) != NULL; ) {
        if (transfer->easy == NULL && now_ms - transfer->end_ms > KEPT_MS) {
            *place = transfer->next;
            free_transfer(transfer);

        } else {
            place = &transfer->next;
        }
    }
}


static void
end(struct provider *provider, struct transfer *transfer, CURLcode code)
{
    long  status;

    status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);

    switch (code) {

    case CURLE_OK:
        read_answer(transfer, status);
        break;

    /* not a word of the request was sent */

    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        conclude(transfer, PAYMENTS_FAILED, curl_easy_strerror(code));
        break;

    default:
        conclude(transfer, PAYMENTS_UNCERTAIN, curl_easy_strerror(code));
        break;
    }

    curl_multi_remove_handle(provider->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    transfer->end_ms = wr_clock_ms();
}


/*
 * 402 is a charge that was declined.  With any other status from 400 to 499,
 * but 408 and 409, the provider refuses to do it as it was asked: nothing has
 * happened.
 */

static void
read_answer(struct transfer *transfer, long status)
{
    const char            *error;
    const struct wr_json  *answer;

    error = wr_arena_printf(transfer->arena, "answered %ld", status);

    if (status != 200 && status != 201 && status != 202 && status != 402) {
        conclude(transfer,
                 (status >= 400 && status < 500 && status != 408
                  && status != 409) ? PAYMENTS_FAILED : PAYMENTS_UNCERTAIN,
                 error);
        return;
    }

    answer = wr_json_parse(transfer->arena,
                           transfer->answer_len != 0 ? transfer->answer : "",
                           transfer->answer_len, &error);

    if (answer == NULL) {
        conclude(transfer, PAYMENTS_UNCERTAIN, "its answer is not JSON");
        return;
    }

    if (transfer->is_question) {
        answer = find(transfer, answer);
    }

    if (answer != NULL) {
        read_job(transfer, answer);
    }
}


/* A question is answered by a list, which is empty if the key is not known;
   only that says so. */

static const struct wr_json *
find(struct transfer *transfer, const struct wr_json *answer)
{
    const struct wr_json    *list;
    struct wr_json_errors    errors;

    memset(&errors, 0, sizeof(errors));
    errors.arena = transfer->arena;
    list = wr_json_array(answer,
                         (transfer->what == PAYMENTS_CHARGE) ? "charges"
                                                             : "refunds",
                         0, 1, &errors);

    if (errors.count != 0) {
        conclude(transfer, PAYMENTS_UNCERTAIN, "its answer has no list");
        return NULL;
    }

    if (wr_json_count(list) == 0) {
        conclude(transfer, PAYMENTS_UNKNOWN, "");
        return NULL;
    }

    return wr_json_item(list, 0);
}


static void
read_job(struct transfer *transfer, const struct wr_json *job)
{
    int64_t                cents;
    const char            *id, *status, *currency, *reason;
    struct wr_json_errors  errors;

    memset(&errors, 0, sizeof(errors));
    errors.arena = transfer->arena;
    id = wr_json_text(job, "id", 1, PAYMENTS_REFERENCE_SIZE - 1, &errors);
    status = wr_json_text(job, "status", 1, 32, &errors);
    cents = wr_json_int(job, "amount_cents", 0, PAYMENTS_CENTS_MAX, &errors);
    currency = wr_json_text(job, "currency", 3, 3, &errors);

    if (errors.count != 0 || !is_word(id, PAYMENTS_REFERENCE_SIZE - 1)) {
        conclude(transfer, PAYMENTS_UNCERTAIN, "its answer is no account");
        return;
    }

    if (cents != transfer->amount_cents
        || strcmp(currency, transfer->currency) != 0)
    {
        conclude(transfer, PAYMENTS_UNCERTAIN,
                 "its answer is about another amount");
        return;
    }

    snprintf(transfer->result.reference, sizeof(transfer->result.reference),
             "%s", id);

    if (strcmp(status, "succeeded") == 0) {
        conclude(transfer, PAYMENTS_SUCCEEDED, "");

    } else if (strcmp(status, "declined") == 0) {
        reason = wr_json_text(job, "reason", 1, PAYMENTS_REASON_SIZE - 1,
                              NULL);
        conclude(transfer, PAYMENTS_DECLINED,
                 is_word(reason, 32) && !payments_card_is_in(reason,
                                                             strlen(reason))
                 ? reason : "declined");

    } else if (strcmp(status, "pending") == 0) {
        conclude(transfer, PAYMENTS_PENDING, "pending");

    } else {
        conclude(transfer, PAYMENTS_UNCERTAIN, "its answer is no account");
    }
}


static void
conclude(struct transfer *transfer, enum payments_outcome outcome,
    const char *reason)
{
    transfer->result.outcome = outcome;
    snprintf(transfer->result.reason, sizeof(transfer->result.reason), "%s",
             reason);
}


static bool
is_word(const char *text, size_t max)
{
    size_t  i;

    for (i = 0; text[i] != '\0'; i++) {
        if (!isalnum((unsigned char) text[i])
            && strchr("._-", text[i]) == NULL)
        {
            return false;
        }
    }

    return i != 0 && i <= max;
}


static void
free_transfer(struct transfer *transfer)
{
    struct wr_arena  *arena;

    curl_slist_free_all(transfer->headers);
    free(transfer->answer);
    arena = transfer->arena;
    wr_arena_free(&arena);
}
