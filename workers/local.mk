# The worker programs and the operator's program.  One file a line, sorted.
#
# They carry libwarren inside (-static: libtool libraries of this tree only),
# so that a daemon is one file.  A program of another service begins as:
#
#     sbin_PROGRAMS += warren-orders
#     warren_orders_SOURCES = \
#             workers/orders/main.c \
#             workers/orders/orders_store.c
#     warren_orders_LDFLAGS = $(AM_LDFLAGS) -static
#     warren_orders_LDADD = libwarren.la
