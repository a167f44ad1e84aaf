/*
 * Copyright (C) the Warren authors
 *
 * Tells other services what products cost, by their ids: {"keys": [...]}.
 */

#ifndef CATALOG_PRICES_H
#define CATALOG_PRICES_H


#include "catalog.h"


/* Whether price_items is asked about keys; then its steps are those below. */
bool catalog_prices_are_asked(struct wr_request *req);

/* 200 with a member for each product that there is, by its id; a key that can
   be no id is refused. */
enum wr_outcome catalog_prices_gather(struct wr_request *req);
void catalog_prices_load(struct wr_request *req);
enum wr_outcome catalog_prices(struct wr_request *req);


#endif /* CATALOG_PRICES_H */
