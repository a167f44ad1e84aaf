# The worker programs and the operator's program.  One file a line, sorted.
#
# A program of another service begins as:
#
#     sbin_PROGRAMS += warren-orders
#     warren_orders_SOURCES = \
#             workers/orders/main.c \
#             workers/orders/orders_store.c
#
# One that needs another library: warren_users_LDADD = $(LDADD) $(JWT_LIBS),
# and warren_users_CPPFLAGS = $(AM_CPPFLAGS) $(JWT_CFLAGS).


# the operator's program needs nothing of libwarren

bin_PROGRAMS += warren

warren_SOURCES = \
	workers/warren/dead_command.c \
	workers/warren/dead_command.h \
	workers/warren/dead_print.c \
	workers/warren/dead_print.h \
	workers/warren/dead_store.c \
	workers/warren/dead_store.h \
	workers/warren/jwks.c \
	workers/warren/jwks.h \
	workers/warren/key.c \
	workers/warren/key.h \
	workers/warren/keys.c \
	workers/warren/keys.h \
	workers/warren/keys_command.c \
	workers/warren/keys_command.h \
	workers/warren/main.c \
	workers/warren/management.c \
	workers/warren/management.h \
	workers/warren/new.c \
	workers/warren/new.h \
	workers/warren/new_expand.c \
	workers/warren/new_expand.h \
	workers/warren/new_files.c \
	workers/warren/new_files.h \
	workers/warren/new_plan.c \
	workers/warren/new_plan.h \
	workers/warren/secret.c \
	workers/warren/secret.h \
	workers/warren/status_command.c \
	workers/warren/status_command.h \
	workers/warren/status_queue.c \
	workers/warren/status_queue.h \
	workers/warren/status_worker.c \
	workers/warren/status_worker.h \
	workers/warren/table.c \
	workers/warren/table.h \
	workers/warren/text.c \
	workers/warren/text.h \
	workers/warren/token.c \
	workers/warren/token.h \
	workers/warren/topology.c \
	workers/warren/topology.h \
	workers/warren/topology_account.c \
	workers/warren/topology_account.h \
	workers/warren/topology_apply.c \
	workers/warren/topology_apply.h \
	workers/warren/topology_command.c \
	workers/warren/topology_command.h \
	workers/warren/topology_worker.c \
	workers/warren/topology_worker.h

warren_CPPFLAGS = $(AM_CPPFLAGS) \
	-DWARREN_TEMPLATES='"$(templatedir)"' \
	$(CURL_CFLAGS) $(JANSSON_CFLAGS) $(JWT_CFLAGS) $(CRYPTO_CFLAGS) \
	$(PQ_CFLAGS)

warren_LDADD = $(CURL_LIBS) $(JANSSON_LIBS) $(JWT_LIBS) $(CRYPTO_LIBS) \
	$(PQ_LIBS)

# what warren new writes

EXTRA_DIST += workers/warren/template/README.md

templatedir = $(datadir)/warren/template

dist_template_DATA = \
	workers/warren/template/README.md.in \
	workers/warren/template/deploy.sql.in \
	workers/warren/template/deploy_runtime.sql.in \
	workers/warren/template/entry.c.in \
	workers/warren/template/event.c.in \
	workers/warren/template/get.c.in \
	workers/warren/template/gitignore.in \
	workers/warren/template/list.c.in \
	workers/warren/template/locations.conf.in \
	workers/warren/template/main.c.in \
	workers/warren/template/makefile.in \
	workers/warren/template/revert.sql.in \
	workers/warren/template/revert_runtime.sql.in \
	workers/warren/template/service.c.in \
	workers/warren/template/service.h.in \
	workers/warren/template/sqitch.conf.in \
	workers/warren/template/sqitch.plan.in \
	workers/warren/template/store.c.in \
	workers/warren/template/store.h.in \
	workers/warren/template/test.c.in \
	workers/warren/template/verify.sql.in \
	workers/warren/template/verify_runtime.sql.in \
	workers/warren/template/worker.conf.in \
	workers/warren/template/write.c.in


# the services; warren-NAME serves NAME

sbin_PROGRAMS += \
	warren-catalog \
	warren-notifications \
	warren-orders \
	warren-payments \
	warren-users

warren_catalog_SOURCES = \
	workers/catalog/main.c \
	workers/catalog/catalog.h \
	workers/catalog/catalog_adjust.c \
	workers/catalog/catalog_expire.c \
	workers/catalog/catalog_get.c \
	workers/catalog/catalog_init.c \
	workers/catalog/catalog_json.c \
	workers/catalog/catalog_json.h \
	workers/catalog/catalog_lines.c \
	workers/catalog/catalog_lines.h \
	workers/catalog/catalog_list.c \
	workers/catalog/catalog_order.c \
	workers/catalog/catalog_price.c \
	workers/catalog/catalog_prices.c \
	workers/catalog/catalog_prices.h \
	workers/catalog/catalog_put.c \
	workers/catalog/catalog_reserve.c \
	workers/catalog/catalog_settle.c \
	workers/catalog/catalog_store.c \
	workers/catalog/catalog_store.h \
	workers/catalog/catalog_text.c \
	workers/catalog/catalog_text.h

warren_notifications_SOURCES = \
	workers/notifications/main.c \
	workers/notifications/notifications.h \
	workers/notifications/notifications_address.c \
	workers/notifications/notifications_address.h \
	workers/notifications/notifications_deliver.c \
	workers/notifications/notifications_deliver.h \
	workers/notifications/notifications_email.c \
	workers/notifications/notifications_email.h \
	workers/notifications/notifications_event.c \
	workers/notifications/notifications_group.c \
	workers/notifications/notifications_group.h \
	workers/notifications/notifications_http.c \
	workers/notifications/notifications_http.h \
	workers/notifications/notifications_init.c \
	workers/notifications/notifications_init.h \
	workers/notifications/notifications_json.c \
	workers/notifications/notifications_json.h \
	workers/notifications/notifications_list.c \
	workers/notifications/notifications_mail.c \
	workers/notifications/notifications_mail.h \
	workers/notifications/notifications_message.c \
	workers/notifications/notifications_person.c \
	workers/notifications/notifications_person.h \
	workers/notifications/notifications_preference.c \
	workers/notifications/notifications_read.c \
	workers/notifications/notifications_recipient.c \
	workers/notifications/notifications_recipient.h \
	workers/notifications/notifications_send.c \
	workers/notifications/notifications_send.h \
	workers/notifications/notifications_sign.c \
	workers/notifications/notifications_sign.h \
	workers/notifications/notifications_since.c \
	workers/notifications/notifications_smtp.c \
	workers/notifications/notifications_smtp.h \
	workers/notifications/notifications_store.c \
	workers/notifications/notifications_store.h \
	workers/notifications/notifications_template.c \
	workers/notifications/notifications_template.h \
	workers/notifications/notifications_text.c \
	workers/notifications/notifications_text.h \
	workers/notifications/notifications_webhook.c

warren_notifications_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(CRYPTO_CFLAGS)

warren_notifications_LDADD = $(LDADD) $(CURL_LIBS) $(CRYPTO_LIBS)

warren_orders_SOURCES = \
	workers/orders/main.c \
	workers/orders/orders.h \
	workers/orders/orders_cancel.c \
	workers/orders/orders_create.c \
	workers/orders/orders_expire.c \
	workers/orders/orders_fact.c \
	workers/orders/orders_get.c \
	workers/orders/orders_history.c \
	workers/orders/orders_init.c \
	workers/orders/orders_json.c \
	workers/orders/orders_json.h \
	workers/orders/orders_list.c \
	workers/orders/orders_price.c \
	workers/orders/orders_price.h \
	workers/orders/orders_saga.c \
	workers/orders/orders_saga.h \
	workers/orders/orders_store.c \
	workers/orders/orders_store.h

warren_payments_SOURCES = \
	workers/payments/main.c \
	workers/payments/payments.h \
	workers/payments/payments_announce.c \
	workers/payments/payments_capture.c \
	workers/payments/payments_card.c \
	workers/payments/payments_card.h \
	workers/payments/payments_event.c \
	workers/payments/payments_get.c \
	workers/payments/payments_http.c \
	workers/payments/payments_init.c \
	workers/payments/payments_provider.h \
	workers/payments/payments_refund.c \
	workers/payments/payments_resume.c \
	workers/payments/payments_return.c \
	workers/payments/payments_sandbox.c \
	workers/payments/payments_store.c \
	workers/payments/payments_store.h \
	workers/payments/payments_task.c

warren_payments_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)

warren_payments_LDADD = $(LDADD) $(CURL_LIBS)

warren_users_SOURCES = \
	workers/users/main.c \
	workers/users/users.h \
	workers/users/users_caller.c \
	workers/users/users_caller.h \
	workers/users/users_change.c \
	workers/users/users_check.c \
	workers/users/users_check.h \
	workers/users/users_get.c \
	workers/users/users_init.c \
	workers/users/users_json.c \
	workers/users/users_json.h \
	workers/users/users_jwks.c \
	workers/users/users_keys.c \
	workers/users/users_keys.h \
	workers/users/users_login.c \
	workers/users/users_logout.c \
	workers/users/users_mail.c \
	workers/users/users_mail.h \
	workers/users/users_password.c \
	workers/users/users_password.h \
	workers/users/users_refresh.c \
	workers/users/users_register.c \
	workers/users/users_reset.c \
	workers/users/users_roles.c \
	workers/users/users_secret.c \
	workers/users/users_secret.h \
	workers/users/users_session.c \
	workers/users/users_session.h \
	workers/users/users_store.c \
	workers/users/users_store.h \
	workers/users/users_throttle.c \
	workers/users/users_throttle.h \
	workers/users/users_tidy.c \
	workers/users/users_token.c \
	workers/users/users_token.h \
	workers/users/users_update.c \
	workers/users/users_verify.c

warren_users_CPPFLAGS = $(AM_CPPFLAGS) \
	$(ARGON2_CFLAGS) $(CRYPTO_CFLAGS) $(JWT_CFLAGS)

warren_users_LDADD = $(LDADD) $(ARGON2_LIBS) $(CRYPTO_LIBS) $(JWT_LIBS)


# manual pages; a worker's name is a link to the page of all

dist_man_MANS = \
	workers/man/warren-worker.8 \
	workers/man/warren.1 \
	workers/man/warren.conf.5
