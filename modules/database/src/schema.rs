//! The tables every module's database has.

diesel::table! {
    idempotency (scope, key) {
        scope -> Text,
        key -> Text,
        fingerprint -> Text,
        status -> Nullable<Integer>,
        body -> Nullable<Text>,
        target -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    audit_entry (seq) {
        seq -> BigInt,
        id -> Text,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        subject -> Text,
        detail -> Text,
        request -> Text,
        hash -> Text,
    }
}

diesel::table! {
    audit_head (id) {
        id -> Integer,
        seq -> BigInt,
        hash -> Text,
    }
}

diesel::table! {
    feed_cursor (feed) {
        feed -> Text,
        number -> BigInt,
    }
}

diesel::table! {
    lease (name) {
        name -> Text,
        lease_until -> BigInt,
    }
}

diesel::table! {
    outbox (seq) {
        seq -> BigInt,
        number -> Nullable<BigInt>,
        topic -> Text,
        subject -> Text,
        body -> Text,
        created_at -> BigInt,
    }
}
