/*
 * Copyright (C) the Warren authors
 *
 * JSON: a strict scan, then cJSON's tree, read by typed
 * accessors.
 */

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "json.h"
#include "json_private.h"
#include "version.h"


/* Beyond it a double no longer tells an integer from its neighbour. */
#define INTEGER_MAX    INT64_C(9007199254740992)

/* Objects with up to this many members are searched for doubles in place. */
#define MEMBERS_FEW    16


struct wr_json {
    struct wr_arena       *arena;
    const cJSON           *value;       /* NULL: an empty value */

    /* where it stands: in its parent, under a name or at an index */

    const struct wr_json  *parent;
    const char            *name;
    size_t                 index;

    /* of an array, made when first asked for */

    const cJSON          **items;
    size_t                 count;

    /* that it is not what it should be was said */
    bool                   is_told;
};


static const cJSON *parse(struct wr_arena *arena, const char *text,
    size_t len);
static void *parse_alloc(size_t size_bytes);
static void parse_free(void *memory);
static const char *tree_check(struct wr_arena *arena, const cJSON *value);
static const char *members_check(struct wr_arena *arena, const cJSON *object);
static int members_compare(const void *a, const void *b);
static const cJSON *member_get(const struct wr_json *object,
    const char *member, struct wr_json_errors *errors);
static struct wr_json *value_new(const struct wr_json *parent,
    const char *name, size_t index, const cJSON *value);
static const struct wr_json *value_empty(const struct wr_json *parent,
    const char *member, const struct wr_json_errors *errors);
static void items_load(struct wr_json *array);
static char *pointer_make(struct wr_arena *arena, const struct wr_json *value,
    const char *member);
static size_t pointer_write(char *pointer, const struct wr_json *value);
static size_t token_write(char *pointer, const char *name);
static void error_printf(struct wr_json_errors *errors,
    const struct wr_json *value, const char *member, const char *format, ...)
    __attribute__((format(printf, 4, 5)));


/*
 * cJSON's allocator is one for the process.  Its hooks are set while a text is
 * parsed and taken away after, so that a worker may use cJSON for itself.
 */
static struct wr_arena  *parse_arena;


/* Says nothing more: that it is empty was said. */
static const struct wr_json  empty = { .is_told = true };


const struct wr_json *
wr_json_parse(struct wr_arena *arena, const char *text, size_t len,
    const char **error_r)
{
    const char      *error;
    const cJSON     *root;
    struct wr_json  *value;

    if (wr_json_scan(arena, text, len, error_r) != 0) {
        return NULL;
    }

    root = parse(arena, text, len);
    error = (root != NULL) ? tree_check(arena, root)
                           : "cannot be read";  /* the scan let it through */

    if (error != NULL) {
        *error_r = error;
        return NULL;
    }

    value = wr_arena_alloc(arena, sizeof(struct wr_json));
    value->arena = arena;
    value->value = root;

    return value;
}


const struct wr_json *
wr_json_empty(void)
{
    return &empty;
}


const char *
wr_json_library_version(void)
{
    return cJSON_Version();
}


static const cJSON *
parse(struct wr_arena *arena, const char *text, size_t len)
{
    const cJSON  *root;
    cJSON_Hooks   hooks = { parse_alloc, parse_free };

    parse_arena = arena;
    cJSON_InitHooks(&hooks);

    root = cJSON_ParseWithLength(text, len);

    cJSON_InitHooks(NULL);
    parse_arena = NULL;

    return root;
}


static void *
parse_alloc(size_t size_bytes)
{
    return wr_arena_alloc(parse_arena, size_bytes);
}


static void
parse_free(void *memory)
{
    /* goes with the arena */

    (void) memory;
}


/*
 * What can be seen only when escapes are decoded and numbers read.  Returns
 * what is wrong, or NULL.  The scan has limited the depth.
 */
static const char *
tree_check(struct wr_arena *arena, const cJSON *value)
{
    const char   *error;
    const cJSON  *child;

    if (cJSON_IsNumber(value) && !isfinite(value->valuedouble)) {
        return "a number is too large";
    }

    if (cJSON_IsObject(value)) {
        error = members_check(arena, value);

        if (error != NULL) {
            return error;
        }
    }

    for (child = value->child; child != NULL; child = child->next) {
        error = tree_check(arena, child);

        if (error != NULL) {
            return error;
        }
    }

    return NULL;
}


static const char *
members_check(struct wr_arena *arena, const cJSON *object)
{
    size_t         i, n;
    const char   **names, *few[MEMBERS_FEW];
    const cJSON   *child;

    n = (size_t) cJSON_GetArraySize(object);
    names = (n <= MEMBERS_FEW) ? few
                               : wr_arena_alloc(arena, n * sizeof(char *));
    i = 0;

    for (child = object->child; child != NULL; child = child->next) {
        names[i++] = child->string;
    }

    qsort(names, n, sizeof(char *), members_compare);

    for (i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return wr_arena_printf(arena, "member \"%.100s\" stands twice",
                                   names[i]);
        }
    }

    return NULL;
}


static int
members_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}


const char *
wr_json_text(const struct wr_json *object, const char *member, size_t min,
    size_t max, struct wr_json_errors *errors)
{
    size_t        len;
    const cJSON  *value;

    value = member_get(object, member, errors);

    if (value == NULL) {
        return "";
    }

    if (!cJSON_IsString(value)) {
        wr_json_error_add(errors, object, member, "must be a string");
        return "";
    }

    len = strlen(value->valuestring);

    if (len < min && len == 0) {
        wr_json_error_add(errors, object, member, "must not be empty");
        return "";
    }

    if (len < min) {
        error_printf(errors, object, member, "must have at least %zu bytes",
                     min);
        return "";
    }

    if (len > max) {
        error_printf(errors, object, member, "must have at most %zu bytes",
                     max);
        return "";
    }

    return value->valuestring;
}


int64_t
wr_json_int(const struct wr_json *object, const char *member, int64_t min,
    int64_t max, struct wr_json_errors *errors)
{
    double        number;
    const cJSON  *value;

    value = member_get(object, member, errors);

    if (value == NULL) {
        return 0;
    }

    if (!cJSON_IsNumber(value)) {
        wr_json_error_add(errors, object, member, "must be an integer");
        return 0;
    }

    number = value->valuedouble;

    if (number != floor(number)) {
        wr_json_error_add(errors, object, member, "must be an integer");
        return 0;
    }

    /* a neighbour of 2^53 may have been rounded to it: neither is taken */

    if (fabs(number) >= (double) INTEGER_MAX) {
        wr_json_error_add(errors, object, member,
                          "must be less than 2^53 from zero");
        return 0;
    }

    if ((int64_t) number < min) {
        error_printf(errors, object, member, "must be at least %" PRId64, min);
        return 0;
    }

    if ((int64_t) number > max) {
        error_printf(errors, object, member, "must be at most %" PRId64, max);
        return 0;
    }

    return (int64_t) number;
}


bool
wr_json_bool(const struct wr_json *object, const char *member,
    struct wr_json_errors *errors)
{
    const cJSON  *value;

    value = member_get(object, member, errors);

    if (value != NULL && !cJSON_IsBool(value)) {
        wr_json_error_add(errors, object, member, "must be true or false");
        return false;
    }

    return value != NULL && cJSON_IsTrue(value);
}


const struct wr_json *
wr_json_object(const struct wr_json *object, const char *member,
    struct wr_json_errors *errors)
{
    const cJSON  *value;

    value = member_get(object, member, errors);

    if (value == NULL) {
        return value_empty(object, member, errors);
    }

    if (!cJSON_IsObject(value)) {
        wr_json_error_add(errors, object, member, "must be an object");
        return value_empty(object, member, errors);
    }

    return member != NULL ? value_new(object, member, 0, value) : object;
}


const struct wr_json *
wr_json_array(const struct wr_json *object, const char *member, size_t min,
    size_t max, struct wr_json_errors *errors)
{
    const cJSON     *value;
    struct wr_json  *array;

    value = member_get(object, member, errors);

    if (value == NULL) {
        return value_empty(object, member, errors);
    }

    if (!cJSON_IsArray(value)) {
        wr_json_error_add(errors, object, member, "must be an array");
        return value_empty(object, member, errors);
    }

    array = (member != NULL) ? value_new(object, member, 0, value)
                             : (struct wr_json *) object;
    items_load(array);

    if (array->count < min) {
        error_printf(errors, object, member, "must have at least %zu items",
                     min);
        return value_empty(object, member, errors);
    }

    if (array->count > max) {
        error_printf(errors, object, member, "must have at most %zu items",
                     max);
        return value_empty(object, member, errors);
    }

    return array;
}


bool
wr_json_has(const struct wr_json *object, const char *member)
{
    return member_get(object, member, NULL) != NULL;
}


const char *
wr_json_name(const struct wr_json *object, size_t i)
{
    const cJSON  *member;

    if (!cJSON_IsObject(object->value) || i > INT_MAX) {
        return NULL;
    }

    member = cJSON_GetArrayItem(object->value, (int) i);

    return (member != NULL) ? member->string : NULL;
}


size_t
wr_json_count(const struct wr_json *array)
{
    if (!cJSON_IsArray(array->value)) {
        return 0;
    }

    items_load((struct wr_json *) array);

    return array->count;
}


const struct wr_json *
wr_json_item(const struct wr_json *array, size_t i)
{
    if (i >= wr_json_count(array)) {
        return &empty;
    }

    return value_new(array, NULL, i, array->items[i]);
}


/*
 * The member, or the value itself if member is NULL.  NULL if it is absent or
 * null, which is then said; or the value is no object, which is said once.
 */
static const cJSON *
member_get(const struct wr_json *object, const char *member,
    struct wr_json_errors *errors)
{
    const cJSON  *value;

    if (member == NULL) {
        value = object->value;

    } else if (cJSON_IsObject(object->value)) {
        value = cJSON_GetObjectItemCaseSensitive(object->value, member);

    } else {
        if (errors != NULL && !object->is_told) {
            ((struct wr_json *) object)->is_told = true;
            wr_json_error_add(errors, object, NULL, "must be an object");
        }

        return NULL;
    }

    if (value == NULL || cJSON_IsNull(value)) {
        if (!object->is_told) {
            wr_json_error_add(errors, object, member, "is required");
        }

        return NULL;
    }

    return value;
}


static struct wr_json *
value_new(const struct wr_json *parent, const char *name, size_t index,
    const cJSON *value)
{
    struct wr_json  *made;

    made = wr_arena_alloc(parent->arena, sizeof(struct wr_json));
    made->arena = parent->arena;
    made->value = value;
    made->parent = parent;
    made->name = wr_arena_strdup(parent->arena, name);
    made->index = index;

    return made;
}


/* Stands for a member that is not there; silent if that was said. */
static const struct wr_json *
value_empty(const struct wr_json *parent, const char *member,
    const struct wr_json_errors *errors)
{
    struct wr_json  *made;

    if (errors != NULL || parent->is_told || parent->arena == NULL
        || member == NULL)
    {
        return &empty;
    }

    made = value_new(parent, member, 0, NULL);

    return made;
}


static void
items_load(struct wr_json *array)
{
    size_t        i, n;
    const cJSON  *child;

    if (array->items != NULL || array->value->child == NULL) {
        return;
    }

    n = (size_t) cJSON_GetArraySize(array->value);
    array->items = wr_arena_alloc(array->arena, n * sizeof(cJSON *));
    i = 0;

    for (child = array->value->child; child != NULL; child = child->next) {
        array->items[i++] = child;
    }

    array->count = n;
}


void
wr_json_error_add(struct wr_json_errors *errors, const struct wr_json *value,
    const char *member, const char *detail)
{
    struct wr_json_error  *error;

    if (errors == NULL || errors->count >= WR_JSON_ERRORS_MAX) {
        return;
    }

    error = &errors->items[errors->count++];
    error->pointer = pointer_make(errors->arena, value, member);
    error->detail = wr_arena_strdup(errors->arena, detail);
}


static void
error_printf(struct wr_json_errors *errors, const struct wr_json *value,
    const char *member, const char *format, ...)
{
    char     detail[128];
    va_list  args;

    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);

    wr_json_error_add(errors, value, member, detail);
}


static char *
pointer_make(struct wr_arena *arena, const struct wr_json *value,
    const char *member)
{
    char    *pointer;
    size_t   len;

    len = (value != NULL) ? pointer_write(NULL, value) : 0;
    len += (member != NULL) ? token_write(NULL, member) : 0;

    pointer = wr_arena_alloc(arena, len + 1);

    len = (value != NULL) ? pointer_write(pointer, value) : 0;

    if (member != NULL) {
        token_write(pointer + len, member);
    }

    return pointer;
}


/* Both return the length, and write nothing if pointer is NULL. */
static size_t
pointer_write(char *pointer, const struct wr_json *value)
{
    char    index[24];
    size_t  len;

    if (value->parent == NULL) {
        return 0;
    }

    len = pointer_write(pointer, value->parent);
    snprintf(index, sizeof(index), "%zu", value->index);

    return len + token_write(pointer != NULL ? pointer + len : NULL,
                             value->name != NULL ? value->name : index);
}


static size_t
token_write(char *pointer, const char *name)
{
    size_t  len;

    if (pointer != NULL) {
        *pointer = '/';
    }

    for (len = 1; *name != '\0'; name++) {

        if (*name != '~' && *name != '/') {
            if (pointer != NULL) {
                pointer[len] = *name;
            }

            len++;
            continue;
        }

        if (pointer != NULL) {
            pointer[len] = '~';
            pointer[len + 1] = (*name == '~') ? '0' : '1';
        }

        len += 2;
    }

    return len;
}
