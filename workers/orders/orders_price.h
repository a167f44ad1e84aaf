/*
 * Copyright (C) the Warren authors
 *
 * What an order costs: the catalog's word, never the client's.
 */

#ifndef ORDERS_PRICE_H
#define ORDERS_PRICE_H


#include "orders.h"


/* Asks catalog about the product of each line; all orders of a batch are one
   question.  From .gather. */
void orders_price_ask(struct wr_request *req, struct order *order);

/*
 * Takes the answers: names and prices of the lines, the currency, which is that
 * of all products, and the total.  Returns WR_DONE; WR_REFUSED if there is no
 * such product, the currencies differ or the total cannot be told exactly;
 * WR_RETRY if catalog did not answer.
 */
enum wr_outcome orders_price_take(struct wr_request *req,
    struct order *order);


#endif /* ORDERS_PRICE_H */
