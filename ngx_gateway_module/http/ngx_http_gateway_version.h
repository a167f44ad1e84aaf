/*
 * Copyright (C) the Warren authors
 *
 * Where versions of nginx differ, 1.22 to current mainline.
 */

#ifndef _NGX_HTTP_GATEWAY_VERSION_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_VERSION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* since 1.23 headers of one name are linked, and each must say what follows */

#if (nginx_version >= 1023000)
#define ngx_http_gateway_set_next(h, following)  (h)->next = (following)
#else
#define ngx_http_gateway_set_next(h, following)  ((void) 0)
#endif


#endif /* _NGX_HTTP_GATEWAY_VERSION_H_INCLUDED_ */
