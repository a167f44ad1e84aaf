/*
 * Copyright (C) the Warren authors
 *
 * The service catalog: tells what products cost.
 */

import { Controller, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { DataSource } from 'typeorm';
import { database, serve } from './service.js';

@Controller()
class Catalog {
  constructor(private readonly db: DataSource) {}

  @MessagePattern('price_items')
  priceItems(@Payload() ids: string[]) {
    return this.db.query(
      `select id, name, price_cents, currency
       from products
       where id = any($1::text[])`,
      [ids],
    );
  }
}

@Module({
  imports: [database()],
  controllers: [Catalog],
})
class CatalogModule {}

await serve(CatalogModule, 'catalog');
