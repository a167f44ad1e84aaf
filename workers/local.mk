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
	workers/warren/jwks.c \
	workers/warren/jwks.h \
	workers/warren/key.c \
	workers/warren/key.h \
	workers/warren/main.c \
	workers/warren/management.c \
	workers/warren/management.h \
	workers/warren/secret.c \
	workers/warren/secret.h \
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
	$(CURL_CFLAGS) $(JANSSON_CFLAGS) $(JWT_CFLAGS) $(CRYPTO_CFLAGS)

warren_LDADD = $(CURL_LIBS) $(JANSSON_LIBS) $(JWT_LIBS) $(CRYPTO_LIBS)
