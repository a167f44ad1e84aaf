/*
 * Copyright (C) the Warren authors
 *
 * All that a worker includes.
 */

#ifndef WARREN_H
#define WARREN_H


#include "arena.h"
#include "id.h"
#include "json.h"
#include "key.h"
#include "log.h"
#include "page.h"
#include "pg_array.h"
#include "request.h"
#include "service.h"
#include "settings.h"
#include "tx.h"
#include "wire.h"


#endif /* WARREN_H */
