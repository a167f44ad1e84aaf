/*
 * Copyright (C) the Warren authors
 *
 * The templates that come with the program.
 */

#include <stddef.h>

#include "notifications.h"
#include "notifications_text.h"


#define INAPP  NOTIFICATIONS_INAPP

const struct notifications_template  notifications_text[] = {
    { "user.registered", INAPP, "en",
      "Welcome, {{name}}",
      "Your account is ready." },
    { "user.registered", INAPP, "de",
      "Willkommen, {{name}}",
      "Ihr Konto ist bereit." },

    { "order.placed", INAPP, "en",
      "Order placed",
      "Your order over {{total}} was placed." },
    { "order.placed", INAPP, "de",
      "Bestellung eingegangen",
      "Ihre Bestellung über {{total}} ist eingegangen." },

    { "stock.reserved", INAPP, "en",
      "In stock",
      "Everything you ordered for {{total}} is there and held for you." },
    { "stock.reserved", INAPP, "de",
      "Vorrätig",
      "Alles aus Ihrer Bestellung über {{total}} ist da und für Sie "
      "zurückgelegt." },

    { "order.confirmed", INAPP, "en",
      "Order confirmed",
      "Your order over {{total}} is confirmed and on its way." },
    { "order.confirmed", INAPP, "de",
      "Bestellung bestätigt",
      "Ihre Bestellung über {{total}} ist bestätigt und auf dem Weg." },

    { "order.cancelled", INAPP, "en",
      "Order cancelled",
      "Your order over {{total}} was cancelled: {{reason}}." },
    { "order.cancelled", INAPP, "de",
      "Bestellung storniert",
      "Ihre Bestellung über {{total}} wurde storniert: {{reason}}." },

    { "payment.captured", INAPP, "en",
      "Payment received",
      "Your payment of {{total}} was received." },
    { "payment.captured", INAPP, "de",
      "Zahlung eingegangen",
      "Ihre Zahlung über {{total}} ist eingegangen." },

    { "payment.declined", INAPP, "en",
      "Payment declined",
      "Your payment of {{total}} was declined: {{reason}}." },
    { "payment.declined", INAPP, "de",
      "Zahlung abgelehnt",
      "Ihre Zahlung über {{total}} wurde abgelehnt: {{reason}}." },

    { "payment.refunded", INAPP, "en",
      "Payment refunded",
      "{{total}} were paid back to you." },
    { "payment.refunded", INAPP, "de",
      "Zahlung erstattet",
      "{{total}} wurden Ihnen erstattet." },

    { NULL, NULL, NULL, NULL, NULL }
};

const struct notifications_text_reason  notifications_text_reasons[] = {
    { "requested", "en", "you asked for it" },
    { "requested", "de", "auf Ihren Wunsch" },
    { "out_of_stock", "en", "it is out of stock" },
    { "out_of_stock", "de", "nicht mehr vorrätig" },
    { "payment_declined", "en", "the payment was declined" },
    { "payment_declined", "de", "die Zahlung wurde abgelehnt" },
    { "timeout", "en", "it took too long" },
    { "timeout", "de", "es hat zu lange gedauert" },
    { "declined", "en", "the bank said no" },
    { "declined", "de", "die Bank hat abgelehnt" },
    { "expired_card", "en", "the card has expired" },
    { "expired_card", "de", "die Karte ist abgelaufen" },

    /* of any other word */
    { NULL, "de", "es ging nicht" },
    { NULL, "en", "it could not be done" }
};
