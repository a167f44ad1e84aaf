/*
 * Copyright (C) the Warren authors
 *
 * The gateway: verifies tokens, limits rates, and asks the services.
 */

import {
  ArgumentsHost,
  Body,
  CanActivate,
  Catch,
  Controller,
  ExceptionFilter,
  ExecutionContext,
  Get,
  HttpException,
  Inject,
  Injectable,
  Module,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, NestFactory } from '@nestjs/core';
import { ClientProxy, ClientsModule } from '@nestjs/microservices';
import {
  FastifyAdapter,
  NestFastifyApplication,
  RouteSchema,
} from '@nestjs/platform-fastify';
import {
  ThrottlerGuard,
  ThrottlerModule,
  ThrottlerStorage,
} from '@nestjs/throttler';
import { createVerifier } from 'fast-jwt';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import { Observable, TimeoutError, forkJoin, timeout } from 'rxjs';
import { Refusal, caller, setting } from './service.js';

interface Claims {
  sub: string;
  scope?: string;
}

type Request = FastifyRequest & { user: Claims };

const verify = createVerifier({
  key: readFileSync(setting('PUBLIC_KEY')),
  algorithms: ['ES256'],
  allowedIss: setting('ISSUER'),
  allowedAud: setting('AUDIENCE'),
  requiredClaims: ['exp', 'sub'],
  clockTolerance: 30_000,
  cache: 10_000,
  cacheKeyBuilder: (token: string) => token,
});

class Problem extends HttpException {
  constructor(refusal: Refusal) {
    super(refusal, refusal.status);
  }
}

@Injectable()
class JwtGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    const header = request.headers.authorization;

    if (header === undefined || !/^bearer /i.test(header)) {
      throw new Problem({ status: 401, name: 'unauthenticated' });
    }
    try {
      request.user = verify(header.slice(7));
    } catch {
      throw new Problem({ status: 401, name: 'unauthenticated' });
    }
    return true;
  }
}

/* Counts the hits of each key in the running window, which is the same for all
   keys: nothing has to be kept, timed or looked for when it is over. */
@Injectable()
class WindowStorage implements ThrottlerStorage {
  private window = 0;
  private hits = new Map<string, number>();

  async increment(key: string, ttl: number, limit: number) {
    return this.hit(key, ttl, limit);
  }

  hit(key: string, ttl: number, limit: number) {
    const now = Date.now();
    const window = Math.floor(now / ttl);

    if (window !== this.window) {
      this.window = window;
      this.hits = new Map();
    }

    const totalHits = (this.hits.get(key) ?? 0) + 1;
    this.hits.set(key, totalHits);

    const seconds = Math.ceil(((window + 1) * ttl - now) / 1000);
    return {
      totalHits,
      timeToExpire: seconds,
      isBlocked: totalHits > limit,
      timeToBlockExpire: seconds,
    };
  }
}

/* The same limits for all routes: what ThrottlerGuard would look up for each
   route, request and throttler is known. */
@Injectable()
class LimitGuard extends ThrottlerGuard {
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const { ip, user } = context.switchToHttp().getRequest<Request>();
    const storage = this.storageService as WindowStorage;

    for (const { name, ttl, limit } of this.throttlers) {
      const { isBlocked, timeToBlockExpire } = storage.hit(
        name + (name === 'ip' ? ip : user.sub),
        ttl as number,
        limit as number,
      );
      if (isBlocked) {
        context
          .switchToHttp()
          .getResponse<FastifyReply>()
          .header('retry-after', timeToBlockExpire);
        throw new Problem({ status: 429, name: 'rate_limited' });
      }
    }
    return true;
  }
}

@Catch()
class ProblemFilter implements ExceptionFilter {
  catch(error: any, host: ArgumentsHost) {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const known =
      error instanceof HttpException ? error.getResponse() : error;
    const { status, name, detail } = this.refusal(error, known);

    if (status === 401) {
      reply.header('www-authenticate', 'Bearer');
    }
    reply
      .status(status)
      .type('application/problem+json')
      .serializer(JSON.stringify)
      .send({ type: `urn:warren:error:${name}`, title: name, status, detail });
  }

  private refusal(error: any, known: any): Refusal {
    if (typeof known?.name === 'string' && typeof known.status === 'number') {
      return known;
    }
    if (error instanceof TimeoutError) {
      return { status: 504, name: 'timeout' };
    }
    const status = error.statusCode ?? error.status ?? 500;
    const names: Record<number, string> = {
      400: 'invalid',
      404: 'not_found',
      413: 'too_large',
      415: 'unsupported',
    };
    return status in names
      ? { status, name: names[status], detail: error.message }
      : { status: 500, name: 'internal' };
  }
}

const text = { type: 'string' };
const integer = { type: 'integer' };

const user = {
  type: 'object',
  properties: { id: text, email: text, name: text, created_at: text },
};

const newOrder = {
  type: 'object',
  required: ['payment_method', 'lines'],
  properties: {
    // a provider's token, and never the number of a card
    payment_method: {
      type: 'string',
      maxLength: 255,
      pattern: '^[!-~]*[A-Za-z][!-~]*$',
    },
    lines: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: {
        type: 'object',
        required: ['product_id', 'quantity'],
        properties: {
          product_id: {
            type: 'string',
            maxLength: 64,
            pattern: '^[A-Za-z0-9._-]+$',
          },
          quantity: { type: 'integer', minimum: 1, maximum: 1000 },
        },
      },
    },
  },
};

const line = {
  type: 'object',
  properties: {
    product_id: text,
    name: text,
    quantity: integer,
    unit_price_cents: integer,
  },
};

const orderHead = {
  id: text,
  status: text,
  total_cents: integer,
  currency: text,
  created_at: text,
};

const order = {
  type: 'object',
  properties: {
    ...orderHead,
    user_id: text,
    lines: { type: 'array', items: line },
  },
};

const orders = {
  type: 'object',
  properties: {
    orders: { type: 'array', items: { type: 'object', properties: orderHead } },
    next_cursor: { type: 'string' },
  },
};

const page = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    cursor: { type: 'string', minLength: 1, maxLength: 22 },
  },
};

const overview = { type: 'object', properties: { user, orders } };

@Controller()
class Gateway {
  constructor(
    @Inject('USERS') private readonly users: ClientProxy,
    @Inject('ORDERS') private readonly orders: ClientProxy,
  ) {}

  @Get('users/me')
  @RouteSchema({ response: { 200: user } })
  getUser(@Req() { user }: Request) {
    return this.ask(this.users, 'get_user', { sub: user.sub });
  }

  @Post('orders')
  @RouteSchema({ body: newOrder, response: { 201: order } })
  createOrder(@Req() { user }: Request, @Body() body: object) {
    if (!user.scope?.split(' ').includes('orders:write')) {
      throw new Problem({ status: 403, name: 'forbidden' });
    }
    return this.ask(this.orders, 'create_order', { sub: user.sub, body });
  }

  @Get('orders')
  @RouteSchema({ querystring: page, response: { 200: orders } })
  listOrders(@Req() { user }: Request, @Query() query: object) {
    return this.ask(this.orders, 'list_orders', { ...query, sub: user.sub });
  }

  @Get('me/overview')
  @RouteSchema({ response: { 200: overview } })
  overview(@Req() { user }: Request) {
    return forkJoin({
      user: this.ask(this.users, 'get_user', { sub: user.sub }),
      orders: this.ask(this.orders, 'list_orders', {
        sub: user.sub,
        limit: 10,
      }),
    });
  }

  private ask(to: ClientProxy, what: string, data: object): Observable<unknown> {
    return to.send(what, data).pipe(timeout(5000));
  }
}

@Module({
  imports: [
    ClientsModule.register([
      caller('USERS', 'users'),
      caller('ORDERS', 'orders'),
    ]),
    ThrottlerModule.forRoot({
      throttlers: ['ip', 'user'].map((name) => ({
        name,
        ttl: 1000,
        limit: Number(setting('LIMIT')),
      })),
      storage: new WindowStorage(),
    }),
  ],
  controllers: [Gateway],
  providers: [
    { provide: APP_GUARD, useClass: JwtGuard },
    { provide: APP_GUARD, useClass: LimitGuard },
    { provide: APP_FILTER, useClass: ProblemFilter },
  ],
})
class GatewayModule {}

const app = await NestFactory.create<NestFastifyApplication>(
  GatewayModule,
  new FastifyAdapter({
    bodyLimit: 65536,
    keepAliveTimeout: 75_000,
    // there is no middleware
    skipMiddie: true,
  }),
  { logger: ['error', 'warn'] },
);
app.enableShutdownHooks();
await app.listen(Number(setting('PORT')), '127.0.0.1');
console.log('ready');
