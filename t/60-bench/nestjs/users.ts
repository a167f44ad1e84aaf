/*
 * Copyright (C) the Warren authors
 *
 * The service users: shows people their own account.
 */

import { Controller, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryColumn, Repository } from 'typeorm';
import { validate } from 'uuid';
import { database, refusal, serve } from './service.js';

@Entity('users')
class User {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') email!: string;
  @Column('text') name!: string;
  @Column('text', { select: false }) password_hash!: string;
  @Column('timestamptz') created_at!: Date;
}

@Controller()
class Users {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
  ) {}

  @MessagePattern('get_user')
  async getUser(@Payload() { sub }: { sub: string }) {
    // a token may be for what is no person
    const [user] = validate(sub)
      ? await this.users.query(
          'select id, email, name, created_at from users where id = $1',
          [sub],
        )
      : [];
    if (!user) {
      throw refusal(404, 'not_found');
    }
    return user;
  }
}

@Module({
  imports: [database(User), TypeOrmModule.forFeature([User])],
  controllers: [Users],
})
class UsersModule {}

await serve(UsersModule, 'users');
