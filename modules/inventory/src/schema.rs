//! The tables of stock.

diesel::table! {
    location (id) {
        id -> Text,
        name -> Text,
        is_default -> Integer,
        created_at -> BigInt,
        removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    item (sku) {
        sku -> Text,
        title -> Text,
        supplier -> Nullable<Text>,
        low_stock_threshold -> Nullable<BigInt>,
        low_since -> Nullable<BigInt>,
        is_low -> Integer,
        created_at -> BigInt,
    }
}

diesel::table! {
    level (sku, location) {
        sku -> Text,
        location -> Text,
        on_hand -> BigInt,
        reserved -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    reservation (id) {
        id -> Text,
        order_id -> Text,
        state -> Text,
        outcome -> Nullable<Text>,
        fingerprint -> Text,
        expires_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    reservation_line (reservation, sku, location) {
        reservation -> Text,
        sku -> Text,
        location -> Text,
        quantity -> BigInt,
    }
}

diesel::table! {
    movement (seq) {
        seq -> BigInt,
        sku -> Text,
        location -> Text,
        version -> BigInt,
        kind -> Text,
        delta_on_hand -> BigInt,
        delta_reserved -> BigInt,
        on_hand -> BigInt,
        reserved -> BigInt,
        cause_kind -> Text,
        cause -> Text,
        actor -> Nullable<Text>,
        reason -> Nullable<Text>,
        at -> BigInt,
    }
}

diesel::table! {
    command (id) {
        id -> Text,
        fingerprint -> Text,
        outcome -> Text,
        created_at -> BigInt,
    }
}

diesel::joinable!(level -> item (sku));
diesel::joinable!(movement -> item (sku));
diesel::joinable!(reservation_line -> reservation (reservation));
diesel::allow_tables_to_appear_in_same_query!(item, level, location, movement, reservation, reservation_line);

/// What a query that is put together at run time is written for.
pub(crate) type Backend = <emporium_database::Db as diesel::Connection>::Backend;
