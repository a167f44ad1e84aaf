/*
 * Copyright (C) the Warren authors
 *
 * What the five programs share: how they reach the broker and the database,
 * and how they say no.
 */

import 'reflect-metadata';
import { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProviderOptions,
  MicroserviceOptions,
  RmqOptions,
  RpcException,
  Transport,
} from '@nestjs/microservices';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { EntityTarget } from 'typeorm';

type QueueOptions = NonNullable<RmqOptions['options']>;

export function setting(name: string, otherwise?: string): string {
  const value = process.env[name] ?? otherwise;
  if (value === undefined) {
    throw new Error(`the environment has no ${name}`);
  }
  return value;
}

/* Calls are not acknowledged: who asked waits for the answer, or for its
   deadline.  An event is, once it is stored. */
function rmq(queue: string, options: QueueOptions): RmqOptions {
  return {
    transport: Transport.RMQ,
    options: {
      urls: [setting('BROKER')],
      queue,
      queueOptions: { durable: true },
      noAck: true,
      socketOptions: { connectionOptions: { noDelay: true } },
      ...options,
    },
  };
}

export function caller(name: string, queue: string): ClientProviderOptions {
  return { name, ...rmq(queue, {}) };
}

export function publisher(name: string, queue: string): ClientProviderOptions {
  return { name, ...rmq(queue, { persistent: true }) };
}

export function database(...entities: EntityTarget<unknown>[]) {
  return TypeOrmModule.forRoot({
    type: 'postgres',
    url: setting('DATABASE'),
    entities: entities as Type[],
    synchronize: false,
    logging: false,
    parseInt8: true,
    poolSize: Number(setting('POOL', '20')),
  });
}

export interface Refusal {
  status: number;
  name: string;
  detail?: string;
}

export function refusal(status: number, name: string, detail?: string) {
  return new RpcException({ status, name, detail } satisfies Refusal);
}

export async function serve(
  module: Type,
  queue: string,
  options: QueueOptions = {},
) {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    module,
    { ...rmq(queue, options), logger: ['error', 'warn'] },
  );
  app.enableShutdownHooks();
  await app.listen();
  console.log('ready');
}
