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
import { catchError, firstValueFrom, timeout } from 'rxjs';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { v7 as uuid } from 'uuid';
import { client, database, queue, refusal, serve } from './service.js';

@Entity('orders')
class Order {
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') user_id!: string;
  @Column('text') currency!: string;
  @Column('bigint') total_cents!: number;
  @Column('timestamptz') created_at!: Date;
}

@Entity('order_lines')
class OrderLine {
  @PrimaryColumn('uuid') order_id!: string;
  @PrimaryColumn('integer') position!: number;
  @Column('text') product_id!: string;
  @Column('integer') quantity!: number;
  @Column('bigint') unit_price_cents!: number;
}

interface NewOrder {
  currency: string;
  lines: Pick<OrderLine, 'product_id' | 'quantity' | 'unit_price_cents'>[];
}

@Controller()
class Orders {
  constructor(
    private readonly db: DataSource,
    @Inject('USERS') private readonly users: ClientProxy,
    @Inject('EVENTS') private readonly events: ClientProxy,
  ) {}

  @MessagePattern('create_order')
  async create(@Payload() { sub, body }: { sub: string; body: NewOrder }) {
    const lines = body.lines;
    let total_cents = 0;
    for (const line of lines) {
      total_cents += line.quantity * line.unit_price_cents;
    }
    if (!Number.isSafeInteger(total_cents)) {
      throw refusal(400, 'invalid', 'the total is too large');
    }

    await firstValueFrom(
      this.users.send('get_user', { sub }).pipe(
        timeout(4000),
        catchError((error) => {
          throw error.status === 404
            ? refusal(403, 'forbidden', 'the account does not exist')
            : error;
        }),
      ),
    );

    const order = {
      id: uuid(),
      user_id: sub,
      total_cents,
      currency: body.currency,
      created_at: new Date(),
    };

    await this.db.transaction(async (tx) => {
      await tx
        .createQueryBuilder()
        .insert()
        .into(Order)
        .values(order)
        .updateEntity(false)
        .execute();
      await tx
        .createQueryBuilder()
        .insert()
        .into(OrderLine)
        .values(
          lines.map((line, i) => ({
            order_id: order.id,
            position: i + 1,
            ...line,
          })),
        )
        .updateEntity(false)
        .execute();
    });

    await firstValueFrom(
      this.events.emit('order.placed', { id: uuid(), data: { ...order, lines } }),
      { defaultValue: undefined },
    );

    return { ...order, lines };
  }

  @MessagePattern('list_orders')
  async list(@Payload() { sub, limit }: { sub: string; limit: number }) {
    const rows = await this.db.query(
      `select id, total_cents, currency, created_at
       from orders
       where user_id = $1
       order by id desc
       limit $2`,
      [sub, limit + 1],
    );
    return { orders: rows.slice(0, limit) };
  }
}

@Module({
  imports: [
    database(Order, OrderLine),
    ClientsModule.register([
      client('USERS', 'users'),
      client('EVENTS', 'notifications', { persistent: true }),
    ]),
  ],
  controllers: [Orders],
})
class OrdersModule {}

await serve(OrdersModule, queue('orders'));
