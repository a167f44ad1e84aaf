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
