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
