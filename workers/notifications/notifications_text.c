/*
 * Copyright (C) the Warren authors
 *
 * The templates that come with the program.
 */

#include <stddef.h>

#include "notifications.h"
#include "notifications_text.h"


#define INAPP  NOTIFICATIONS_INAPP
#define EMAIL  NOTIFICATIONS_EMAIL

const struct notifications_template  notifications_text[] = {
    { "user.registered", INAPP, "en",
      "Welcome, {{name}}",
      "Your account is ready." },
    { "user.registered", INAPP, "de",
      "Willkommen, {{name}}",
      "Ihr Konto ist bereit." },

    { NOTIFICATIONS_WEBHOOK_DISABLED, INAPP, "en",
      "Webhook switched off",
      "Your webhook could not be reached for long and was switched off." },
    { NOTIFICATIONS_WEBHOOK_DISABLED, INAPP, "de",
      "Webhook abgeschaltet",
      "Ihr Webhook war lange nicht erreichbar und wurde abgeschaltet." },

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

    { "order.confirmed", EMAIL, "en",
      "Your order is confirmed",
      "Hello {{name}},\n\n"
      "your order over {{total}} is confirmed and on its way.\n\n"
      "Order: {{order}}" },
    { "order.confirmed", EMAIL, "de",
      "Ihre Bestellung ist bestätigt",
      "Guten Tag {{name}},\n\n"
      "Ihre Bestellung über {{total}} ist bestätigt und auf dem Weg.\n\n"
      "Bestellung: {{order}}" },

    { "order.cancelled", EMAIL, "en",
      "Your order was cancelled",
      "Hello {{name}},\n\n"
      "your order over {{total}} was cancelled: {{reason}}.\n\n"
      "Order: {{order}}" },
    { "order.cancelled", EMAIL, "de",
      "Ihre Bestellung wurde storniert",
      "Guten Tag {{name}},\n\n"
      "Ihre Bestellung über {{total}} wurde storniert: {{reason}}.\n\n"
      "Bestellung: {{order}}" },

    { "payment.refunded", EMAIL, "en",
      "Your payment was refunded",
      "Hello {{name}},\n\n"
      "{{total}} were paid back to you.\n\n"
      "Order: {{order}}" },
    { "payment.refunded", EMAIL, "de",
      "Ihre Zahlung wurde erstattet",
      "Guten Tag {{name}},\n\n"
      "{{total}} wurden Ihnen erstattet.\n\n"
      "Bestellung: {{order}}" },

    { "verify_email", EMAIL, "en",
      "Please confirm your e-mail address",
      "Please open this link to confirm that this address is yours:\n\n"
      "{{link}}\n\n"
      "If you did not ask for this, ignore it." },
    { "verify_email", EMAIL, "de",
      "Bitte bestätigen Sie Ihre E-Mail-Adresse",
      "Bitte öffnen Sie diesen Link, um Ihre Adresse zu bestätigen:\n\n"
      "{{link}}\n\n"
      "Wenn Sie das nicht angefordert haben, ist nichts zu tun." },

    { "reset_password", EMAIL, "en",
      "Your new password",
      "Please open this link to choose a new password:\n\n"
      "{{link}}\n\n"
      "If you did not ask for this, ignore it; your password stays as it "
      "is." },
    { "reset_password", EMAIL, "de",
      "Ihr neues Passwort",
      "Bitte öffnen Sie diesen Link, um ein neues Passwort zu wählen:\n\n"
      "{{link}}\n\n"
      "Wenn Sie das nicht angefordert haben, ist nichts zu tun; Ihr "
      "Passwort\n"
      "bleibt, wie es ist." },

    { "password_changed", EMAIL, "en",
      "Your password was changed",
      "Hello {{name}},\n\n"
      "the password of your account was changed. If that was not you, "
      "please\n"
      "ask for a new one at once." },
    { "password_changed", EMAIL, "de",
      "Ihr Passwort wurde geändert",
      "Guten Tag {{name}},\n\n"
      "das Passwort Ihres Kontos wurde geändert. Wenn Sie das nicht "
      "waren,\n"
      "fordern Sie bitte sofort ein neues an." },

    { "address_taken", EMAIL, "en",
      "You have an account already",
      "Somebody, probably you, wanted to register with this address. "
      "There is\n"
      "an account for it already. If you forgot its password, ask for a "
      "new\n"
      "one." },
    { "address_taken", EMAIL, "de",
      "Sie haben schon ein Konto",
      "Jemand, wahrscheinlich Sie, wollte sich mit dieser Adresse "
      "anmelden.\n"
      "Dafür gibt es schon ein Konto. Wenn Sie das Passwort vergessen "
      "haben,\n"
      "fordern Sie ein neues an." },

    { "email_changed", EMAIL, "en",
      "Another e-mail address for your account",
      "Hello {{name}},\n\n"
      "somebody who knows your password wants your account to have another\n"
      "e-mail address. It will have it as soon as a link that was sent there "
      "is\n"
      "opened. If that was not you, please ask for a new password at once." },
    { "email_changed", EMAIL, "de",
      "Eine andere E-Mail-Adresse für Ihr Konto",
      "Guten Tag {{name}},\n\n"
      "jemand, der Ihr Passwort kennt, möchte Ihrem Konto eine andere "
      "E-Mail-\n"
      "Adresse geben. Sie gilt, sobald ein Link geöffnet wird, der dorthin\n"
      "geschickt wurde. Wenn Sie das nicht waren, fordern Sie bitte sofort "
      "ein\n"
      "neues Passwort an." },

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
