/*
 * Copyright (C) the Warren authors
 *
 * The service orders: places orders, and shows people theirs.
 */

import { Controller, Inject, Module } from '@nestjs/common';
import {
  ClientProxy,
  ClientsModule,
  MessagePattern,
  Payload,
} from '@nestjs/microservices';
import { firstValueFrom, timeout } from 'rxjs';
import { DataSource } from 'typeorm';
import { MAX, parse, v7 as uuid, validate } from 'uuid';
import { caller, database, publisher, refusal, serve } from './service.js';

interface NewOrder {
  payment_method: string;
  lines: { product_id: string; quantity: number }[];
}

interface Product {
  id: string;
  name: string;
  price_cents: number;
  currency: string;
}

interface Page {
  sub: string;
  limit: number;
  cursor?: string;
}

function toCursor(id: string): string {
  return Buffer.from(parse(id)).toString('base64url');
}

function fromCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length !== 16) {
    throw refusal(400, 'invalid', 'cursor must be the next_cursor of a page');
  }
  const hex = bytes.toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

@Controller()
class Orders {
  constructor(
    private readonly db: DataSource,
    @Inject('CATALOG') private readonly catalog: ClientProxy,
    @Inject('EVENTS') private readonly events: ClientProxy,
  ) {}

  @MessagePattern('create_order')
  async create(@Payload() { sub, body }: { sub: string; body: NewOrder }) {
    if (!validate(sub)) {
      throw refusal(403, 'forbidden', 'the token is not for a person');
    }

    const products = await this.products(body.lines);
    const { currency } = products[0];
    let total_cents = 0;

    const lines = body.lines.map(({ product_id, quantity }, i) => {
      const { name, price_cents } = products[i];
      total_cents += quantity * price_cents;
      return { product_id, name, quantity, unit_price_cents: price_cents };
    });
    if (!Number.isSafeInteger(total_cents)) {
      throw refusal(400, 'invalid', 'the total is too large');
    }
    if (products.some((product) => product.currency !== currency)) {
      throw refusal(400, 'invalid', 'the lines are of more than one currency');
    }

    const order = { id: uuid(), user_id: sub, total_cents, currency, lines };
    const created_at = new Date();

    // one statement is one transaction, and one way to the server and back
    await this.db.query(
      `with placed as (
         insert into orders
           (id, user_id, currency, total_cents, created_at, due_at)
         values ($1, $2, $3, $4, $5, now() + interval '30 days')
       )
       insert into order_lines
         (order_id, position, product_id, name, quantity, unit_price_cents)
       select $1, position, product_id, name, quantity, unit_price_cents
       from unnest($6::text[], $7::text[], $8::integer[], $9::bigint[])
         with ordinality
         as lines (product_id, name, quantity, unit_price_cents, position)`,
      [
        order.id,
        sub,
        currency,
        total_cents,
        created_at,
        lines.map((line) => line.product_id),
        lines.map((line) => line.name),
        lines.map((line) => line.quantity),
        lines.map((line) => line.unit_price_cents),
      ],
    );

    // until the broker has confirmed it
    await firstValueFrom(
      this.events.emit('order.placed', {
        id: uuid(),
        data: { ...order, payment_method: body.payment_method },
      }),
      { defaultValue: undefined },
    );

    return { ...order, status: 'placed', created_at };
  }

  @MessagePattern('list_orders')
  async list(@Payload() { sub, limit, cursor }: Page) {
    if (!validate(sub)) {
      throw refusal(403, 'forbidden', 'the token is not for a person');
    }

    // one row more than asked for tells that there is a next page
    const orders = await this.db.query(
      `select id, status, total_cents, currency, created_at
       from orders
       where user_id = $1 and id < $2
       order by id desc
       limit $3`,
      [sub, cursor ? fromCursor(cursor) : MAX, limit + 1],
    );

    if (orders.length <= limit) {
      return { orders };
    }
    orders.length = limit;
    return { orders, next_cursor: toCursor(orders[limit - 1].id) };
  }

  /* What is ordered, as the catalog has it, line by line. */
  private async products(lines: NewOrder['lines']): Promise<Product[]> {
    const found = new Map<string, Product>();
    const answer = this.catalog.send<Product[]>(
      'price_items',
      lines.map((line) => line.product_id),
    );

    for (const product of await firstValueFrom(answer.pipe(timeout(4000)))) {
      found.set(product.id, product);
    }

    return lines.map(({ product_id }) => {
      const product = found.get(product_id);
      if (product === undefined) {
        throw refusal(400, 'invalid', `there is no product "${product_id}"`);
      }
      return product;
    });
  }
}

@Module({
  imports: [
    database(),
    ClientsModule.register([
      caller('CATALOG', 'catalog'),
      publisher('EVENTS', 'notifications'),
    ]),
  ],
  controllers: [Orders],
})
class OrdersModule {}

await serve(OrdersModule, 'orders');
