/*
 * Copyright (C) the Warren authors
 *
 * Whether bytes are a JSON text.  It knows neither nginx nor allocation, so
 * that tests run it alone.
 */

#ifndef _NGX_HTTP_GATEWAY_JSON_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JSON_H_INCLUDED_


#include <stddef.h>


/* objects and arrays within one another; a deeper text is refused */
#define NGX_HTTP_GATEWAY_JSON_DEPTH       64


/*
 * Whether the len bytes are one JSON text (RFC 8259) and nothing else, so that
 * they may stand as a value in another one: well-formed UTF-8, no surrogate
 * alone, nested no deeper than NGX_HTTP_GATEWAY_JSON_DEPTH.  Members of equal
 * names are left to who reads it.  Neither recurses nor allocates; reads each
 * byte once.  Returns 1 or 0.
 */
int ngx_http_gateway_json_is_valid(const unsigned char *text, size_t len);


#endif /* _NGX_HTTP_GATEWAY_JSON_H_INCLUDED_ */
