//! Shop's tables.

diesel::table! {
    category (id) {
        id -> Text,
        slug -> Text,
        name -> Text,
        parent -> Nullable<Text>,
        position -> BigInt,
        version -> BigInt,
        created_at -> BigInt,
        unindexed_after -> Nullable<Text>,
    }
}

diesel::table! {
    product (id) {
        id -> Text,
        slug -> Text,
        title -> Text,
        description -> Text,
        vendor -> Text,
        kind -> Text,
        tags -> Text,
        options -> Text,
        images -> Text,
        extra -> Text,
        status -> Text,
        supplier -> Nullable<Text>,
        price_from -> BigInt,
        registered -> Integer,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    skus (sku) {
        sku -> Text,
        product -> Text,
        position -> BigInt,
        title -> Text,
        options -> Text,
        amount -> BigInt,
        currency -> Text,
        compare_at -> Nullable<BigInt>,
        barcode -> Text,
        grams -> BigInt,
        image -> Text,
        extra -> Text,
        archived -> Integer,
        created_at -> BigInt,
    }
}

diesel::table! {
    product_category (product, category) {
        product -> Text,
        category -> Text,
        status -> Text,
        title -> Text,
        price_from -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    search_term (term, product) {
        term -> Text,
        product -> Text,
        weight -> BigInt,
    }
}

diesel::table! {
    cart (id) {
        id -> Text,
        owner -> Nullable<Text>,
        token_hash -> Nullable<Text>,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    cart_line (cart, line) {
        cart -> Text,
        line -> Text,
        sku -> Text,
        quantity -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    orders (id) {
        id -> Text,
        number -> Text,
        buyer -> Text,
        status -> Text,
        payment_status -> Text,
        fulfilment_status -> Text,
        currency -> Text,
        total -> BigInt,
        cart -> Nullable<Text>,
        live_cart -> Nullable<Text>,
        step -> Text,
        hold_attempt -> Integer,
        cancel_reason -> Nullable<Text>,
        refusal -> Nullable<Text>,
        accepted -> Integer,
        version -> BigInt,
        lease_until -> BigInt,
        attempts -> Integer,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    order_line (order_id, position) {
        order_id -> Text,
        position -> BigInt,
        sku -> Text,
        product -> Text,
        title -> Text,
        supplier -> Nullable<Text>,
        quantity -> BigInt,
        unit_price -> BigInt,
        total -> BigInt,
        tax_rate -> BigInt,
        tax -> BigInt,
    }
}

diesel::table! {
    order_event (order_id, version) {
        order_id -> Text,
        version -> BigInt,
        kind -> Text,
        actor -> Text,
        detail -> Text,
        created_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    category,
    product,
    skus,
    product_category,
    search_term,
    cart,
    cart_line,
    orders,
    order_line,
    order_event,
);
