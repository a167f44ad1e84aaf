/*
 * Copyright (C) the Warren authors
 *
 * Reads requirements, and asks a verified token for them.
 */

#include "ngx_http_gateway_jwt_require.h"


static char *ngx_http_gateway_jwt_rule(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *value, ngx_uint_t n);
static ngx_uint_t ngx_http_gateway_jwt_is_operator(ngx_str_t *word,
    ngx_http_gateway_jwt_op_e *op);
static char *ngx_http_gateway_jwt_methods(ngx_conf_t *cf, ngx_str_t *list,
    ngx_uint_t *methods_r);
static char *ngx_http_gateway_jwt_rule_claim(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *claim);
static char *ngx_http_gateway_jwt_rule_values(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_gateway_jwt_rule_value(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *value);
static char *ngx_http_gateway_jwt_rule_scope(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule);
static ngx_uint_t ngx_http_gateway_jwt_is_met(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_rule_t *rule,
    const ngx_http_gateway_jwt_token_t *token);


static ngx_conf_enum_t  ngx_http_gateway_jwt_operators[] = {
    { ngx_string("is"), NGX_HTTP_GATEWAY_JWT_OP_IS },
    { ngx_string("in"), NGX_HTTP_GATEWAY_JWT_OP_IN },
    { ngx_string("has"), NGX_HTTP_GATEWAY_JWT_OP_HAS },
    { ngx_string("has_any"), NGX_HTTP_GATEWAY_JWT_OP_HAS_ANY },
    { ngx_string("prefix"), NGX_HTTP_GATEWAY_JWT_OP_PREFIX },
    { ngx_string("<"), NGX_HTTP_GATEWAY_JWT_OP_LT },
    { ngx_string("<="), NGX_HTTP_GATEWAY_JWT_OP_LE },
    { ngx_string(">"), NGX_HTTP_GATEWAY_JWT_OP_GT },
    { ngx_string(">="), NGX_HTTP_GATEWAY_JWT_OP_GE },
    { ngx_string("present"), NGX_HTTP_GATEWAY_JWT_OP_PRESENT },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_http_gateway_jwt_method_names[] = {
    { ngx_string("GET"), NGX_HTTP_GET|NGX_HTTP_HEAD },
    { ngx_string("HEAD"), NGX_HTTP_HEAD },
    { ngx_string("POST"), NGX_HTTP_POST },
    { ngx_string("PUT"), NGX_HTTP_PUT },
    { ngx_string("PATCH"), NGX_HTTP_PATCH },
    { ngx_string("DELETE"), NGX_HTTP_DELETE },
    { ngx_string("OPTIONS"), NGX_HTTP_OPTIONS },
    { ngx_null_string, 0 }
};


char *
ngx_http_gateway_jwt_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t                    *value;
    ngx_array_t                 **rules;
    ngx_http_gateway_jwt_rule_t  *rule;

    rules = (ngx_array_t **) (p + cmd->offset);
    value = cf->args->elts;

    if (*rules == NULL) {
        return "is off already";
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {

        if (*rules != NGX_CONF_UNSET_PTR) {
            return "has requirements already, which \"off\" contradicts";
        }

        *rules = NULL;
        return NGX_CONF_OK;
    }

    if (*rules == NGX_CONF_UNSET_PTR) {
        *rules = ngx_array_create(cf->pool, 2,
                                  sizeof(ngx_http_gateway_jwt_rule_t));
        if (*rules == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rule = ngx_array_push(*rules);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(rule, sizeof(ngx_http_gateway_jwt_rule_t));

    return ngx_http_gateway_jwt_rule(cf, rule, value + 1,
                                     cf->args->nelts - 1);
}


/* value: [METHOD,...] CLAIM OPERATOR [VALUE ...] [status=401|403] */

static char *
ngx_http_gateway_jwt_rule(ngx_conf_t *cf, ngx_http_gateway_jwt_rule_t *rule,
    ngx_str_t *value, ngx_uint_t n)
{
    char       *rv;
    ngx_str_t  *last;

    rule->status = NGX_HTTP_FORBIDDEN;

    if (n < 2 || !ngx_http_gateway_jwt_is_operator(&value[1], &rule->op)) {

        if (n < 3 || !ngx_http_gateway_jwt_is_operator(&value[2], &rule->op)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no operator in \"gateway_require\", write "
                               "[METHOD,...] CLAIM OPERATOR [VALUE ...], with "
                               "one of is, in, has, has_any, prefix, <, <=, >, "
                               ">=, present");
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_gateway_jwt_methods(cf, &value[0], &rule->methods);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        value++;
        n--;
    }

    last = &value[n - 1];

    if (n > 2 && ngx_strncmp(last->data, "status=", 7) == 0) {

        if (ngx_strcmp(last->data + 7, "401") == 0) {
            rule->status = NGX_HTTP_UNAUTHORIZED;

        } else if (ngx_strcmp(last->data + 7, "403") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\", it must be status=401 or "
                               "status=403", last);
            return NGX_CONF_ERROR;
        }

        n--;
    }

    rv = ngx_http_gateway_jwt_rule_claim(cf, rule, &value[0]);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_gateway_jwt_rule_values(cf, rule, value + 2, n - 2);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_gateway_jwt_rule_scope(cf, rule);
    }

    return rv;
}


static ngx_uint_t
ngx_http_gateway_jwt_is_operator(ngx_str_t *word,
    ngx_http_gateway_jwt_op_e *op)
{
    ngx_conf_enum_t  *e;

    for (e = ngx_http_gateway_jwt_operators; e->name.len; e++) {
        if (e->name.len == word->len
            && ngx_strncmp(e->name.data, word->data, word->len) == 0)
        {
            *op = e->value;
            return 1;
        }
    }

    return 0;
}


static char *
ngx_http_gateway_jwt_methods(ngx_conf_t *cf, ngx_str_t *list,
    ngx_uint_t *methods_r)
{
    u_char              *p, *last, *end;
    ngx_str_t            word;
    ngx_conf_bitmask_t  *m;

    last = list->data + list->len;

    for (p = list->data; p <= last; p = end + 1) {
        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        word.data = p;
        word.len = end - p;

        for (m = ngx_http_gateway_jwt_method_names; m->name.len; m++) {
            if (m->name.len == word.len
                && ngx_strncmp(m->name.data, p, word.len) == 0)
            {
                break;
            }
        }

        if (m->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown method \"%V\" in \"%V\", use GET, "
                               "HEAD, POST, PUT, PATCH, DELETE or OPTIONS, "
                               "separated by commas", &word, list);
            return NGX_CONF_ERROR;
        }

        *methods_r |= m->mask;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_jwt_rule_claim(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *claim)
{
    char    *buf;
    size_t   i;
    u_char  *p;

    /* it becomes part of a header */

    for (i = 0; i < claim->len; i++) {
        if (claim->data[i] < ' ' || claim->data[i] > '~'
            || claim->data[i] == '"' || claim->data[i] == '\\'
            || claim->data[i] == '$')
        {
            return "has a claim whose name is not ASCII without quotes, "
                   "backslashes and variables";
        }
    }

    buf = ngx_pnalloc(cf->pool, claim->len + 1);
    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_gateway_jwt_path(claim->data, claim->len, buf, &rule->path)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid claim \"%V\", it must be a name, or a JSON "
                           "Pointer of at most %d names such as "
                           "/realm_access/roles", claim,
                           NGX_HTTP_GATEWAY_JWT_PATH_MAX);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool,
                    sizeof("the claim  is not as required") + claim->len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    rule->reason = (char *) p;
    *ngx_sprintf(p, "the claim %V is not as required", claim) = '\0';

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_jwt_rule_values(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *value, ngx_uint_t n)
{
    char        *rv;
    ngx_uint_t   i;

    switch (rule->op) {

    case NGX_HTTP_GATEWAY_JWT_OP_PRESENT:
        if (n != 0) {
            return "has a value after \"present\", which takes none";
        }

        return NGX_CONF_OK;

    case NGX_HTTP_GATEWAY_JWT_OP_IN:
    case NGX_HTTP_GATEWAY_JWT_OP_HAS:
    case NGX_HTTP_GATEWAY_JWT_OP_HAS_ANY:
    case NGX_HTTP_GATEWAY_JWT_OP_PREFIX:
        if (n == 0 || n > NGX_HTTP_GATEWAY_JWT_VALUES) {
            return "needs 1 to 16 values after its operator";
        }

        break;

    default:
        if (n != 1) {
            return "needs one value after its operator; \"in\" takes several";
        }

        break;
    }

    for (i = 0; i < n; i++) {

        if (value[i].len == 0) {
            return "has an empty value, which no claim meets";
        }

        rv = ngx_http_gateway_jwt_rule_value(cf, rule, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_jwt_rule_value(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule, ngx_str_t *value)
{
    ngx_http_complex_value_t          *cv;
    ngx_http_gateway_jwt_value_t      *v;
    ngx_http_compile_complex_value_t   ccv;

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    v = &rule->values[rule->n];

    if (cv->lengths != NULL) {
        rule->dynamic[rule->n++] = cv;
        return NGX_CONF_OK;
    }

    ngx_http_gateway_jwt_value(cv->value.data, cv->value.len, v);
    rule->n++;

    if (rule->op >= NGX_HTTP_GATEWAY_JWT_OP_LT
        && rule->op <= NGX_HTTP_GATEWAY_JWT_OP_GE && !v->is_number)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a number, which \"<\", \"<=\", "
                           "\">\" and \">=\" compare with", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* what RFC 6750, section 3, lets a client know of a scope it lacks */

static char *
ngx_http_gateway_jwt_rule_scope(ngx_conf_t *cf,
    ngx_http_gateway_jwt_rule_t *rule)
{
    u_char                        *p;
    size_t                         len, j;
    ngx_uint_t                     i;
    ngx_http_gateway_jwt_slice_t  *text;

    if (rule->op != NGX_HTTP_GATEWAY_JWT_OP_HAS || rule->path.n != 1
        || (ngx_strcmp(rule->path.names[0], "scope") != 0
            && ngx_strcmp(rule->path.names[0], "scp") != 0))
    {
        return NGX_CONF_OK;
    }

    len = 0;

    for (i = 0; i < rule->n; i++) {
        text = &rule->values[i].text;

        if (rule->dynamic[i] != NULL) {
            return NGX_CONF_OK;
        }

        for (j = 0; j < text->len; j++) {
            if (text->data[j] <= ' ' || text->data[j] > '~'
                || text->data[j] == '"' || text->data[j] == '\\')
            {
                return "has a scope that no scope can be (RFC 6749, 3.3)";
            }
        }

        len += text->len + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    rule->scope.data = p;

    for (i = 0; i < rule->n; i++) {
        if (i != 0) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, rule->values[i].text.data, rule->values[i].text.len);
    }

    rule->scope.len = p - rule->scope.data;

    return NGX_CONF_OK;
}


const ngx_http_gateway_jwt_rule_t *
ngx_http_gateway_jwt_unmet(ngx_http_request_t *r, const ngx_array_t *rules,
    const ngx_http_gateway_jwt_token_t *token)
{
    ngx_uint_t                          i;
    const ngx_http_gateway_jwt_rule_t  *rule;

    if (rules == NULL) {
        return NULL;
    }

    rule = rules->elts;

    for (i = 0; i < rules->nelts; i++) {

        if (rule[i].methods != 0 && !(rule[i].methods & r->method)) {
            continue;
        }

        if (token == NULL || !ngx_http_gateway_jwt_is_met(r, &rule[i], token))
        {
            return &rule[i];
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_gateway_jwt_is_met(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_rule_t *rule,
    const ngx_http_gateway_jwt_token_t *token)
{
    ngx_str_t                      s;
    ngx_uint_t                     i, is_dynamic;
    ngx_http_gateway_jwt_value_t   values[NGX_HTTP_GATEWAY_JWT_VALUES];

    is_dynamic = 0;

    for (i = 0; i < rule->n; i++) {

        if (rule->dynamic[i] == NULL) {
            continue;
        }

        if (!is_dynamic) {
            ngx_memcpy(values, rule->values,
                       rule->n * sizeof(ngx_http_gateway_jwt_value_t));
            is_dynamic = 1;
        }

        /* what cannot be known is not met */

        if (ngx_http_complex_value(r, rule->dynamic[i], &s) != NGX_OK) {
            return 0;
        }

        ngx_http_gateway_jwt_value(s.data, s.len, &values[i]);
    }

    return ngx_http_gateway_jwt_claim_meets(token, &rule->path, rule->op,
                                            is_dynamic ? values : rule->values,
                                            rule->n);
}
