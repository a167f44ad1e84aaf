/*
 * Copyright (C) the Warren authors
 *
 * The service notifications: stores what a person should see of an event.
 */

import { Controller, Logger, Module } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { DataSource } from 'typeorm';
import { v7 as uuid } from 'uuid';
import { database, serve } from './service.js';

interface OrderPlaced {
  id: string;
  data: {
    id: string;
    user_id: string;
    total_cents: number;
    currency: string;
  };
}

@Controller()
class Notifications {
  private readonly logger = new Logger(Notifications.name);
  private rows: object[] = [];
  private context: any;
  private isStoring = false;

  constructor(private readonly db: DataSource) {}

  @EventPattern('order.placed')
  onOrderPlaced(@Payload() event: OrderPlaced, @Ctx() context: any) {
    const { id, user_id, total_cents, currency } = event.data;
    const total = `${(total_cents / 100).toFixed(2)} ${currency}`;

    this.rows.push({
      id: uuid(),
      user_id,
      event_id: event.id,
      kind: 'order.placed',
      title: 'Order placed',
      body: `Your order over ${total} was placed.`,
      data: { order_id: id, total_cents, currency },
      created_at: new Date(),
    });
    this.context = context;

    if (!this.isStoring) {
      this.isStoring = true;
      setTimeout(() => this.store(), 5);
    }
  }

  /* What came meanwhile is stored by one statement, then acknowledged. */
  private async store() {
    while (this.rows.length > 0) {
      const { rows, context } = this;
      this.rows = [];

      try {
        await this.db.query(
          `insert into notifications (id, user_id, event_id, kind, title, body,
             data, created_at)
           select id, user_id, event_id, kind, title, body, data, created_at
           from jsonb_to_recordset($1) as rows (id uuid, user_id uuid,
             event_id uuid, kind text, title text, body text, data jsonb,
             created_at timestamptz)
           on conflict do nothing`,
          [JSON.stringify(rows)],
        );
        context.getChannelRef().ack(context.getMessage(), true);
      } catch (error) {
        this.logger.error(error);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        context.getChannelRef().nack(context.getMessage(), true, true);
      }
    }
    this.isStoring = false;
  }
}

@Module({
  imports: [database()],
  controllers: [Notifications],
})
class NotificationsModule {}

await serve(NotificationsModule, 'notifications', {
  noAck: false,
  prefetchCount: 256,
});
