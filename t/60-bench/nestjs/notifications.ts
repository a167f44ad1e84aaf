/*
 * Copyright (C) the Warren authors
 *
 * The service notifications: stores what a person should see of an event.
 */

import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryColumn, Repository } from 'typeorm';
import { v7 as uuid } from 'uuid';
import { database, queue, serve, setting } from './service.js';

@Entity('notifications')
class Notification {
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') user_id!: string;
  @Column('uuid') event_id!: string;
  @Column('text') kind!: string;
  @Column('text') title!: string;
  @Column('text') body!: string;
  @Column('jsonb') data!: object;
  @Column('timestamptz') created_at!: Date;
  @Column('timestamptz', { nullable: true }) read_at!: Date | null;
}

@Controller()
class Notifications {
  constructor(
    @InjectRepository(Notification)
    private readonly notifications: Repository<Notification>,
  ) {}

  @EventPattern('order.placed')
  async onOrderPlaced(@Payload() event: any, @Ctx() context: any) {
    const { id, user_id, total_cents, currency } = event.data;
    const total = `${(total_cents / 100).toFixed(2)} ${currency}`;

    await this.notifications
      .createQueryBuilder()
      .insert()
      .values({
        id: uuid(),
        user_id,
        event_id: event.id,
        kind: 'order.placed',
        title: 'Order placed',
        body: `Your order over ${total} was placed.`,
        data: { order_id: id, total_cents, currency },
        created_at: new Date(),
      })
      .orIgnore()
      .updateEntity(false)
      .execute();

    context.getChannelRef().ack(context.getMessage());
  }
}

@Module({
  imports: [database(Notification), TypeOrmModule.forFeature([Notification])],
  controllers: [Notifications],
})
class NotificationsModule {}

await serve(
  NotificationsModule,
  queue('notifications', {
    noAck: false,
    prefetchCount: Number(setting('PREFETCH', '64')),
  }),
);
