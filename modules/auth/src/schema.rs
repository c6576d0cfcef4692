//! The tables of auth.

diesel::table! {
    users (id) {
        id -> Text,
        email -> Text,
        name -> Text,
        password_hash -> Text,
        password_version -> BigInt,
        disabled -> Integer,
        created_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    user_roles (user_id, role) {
        user_id -> Text,
        role -> Text,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        refresh_hash -> Text,
        previous_hash -> Nullable<Text>,
        rotated_at -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        end_reason -> Nullable<Text>,
    }
}

diesel::table! {
    bootstrap (id) {
        id -> Integer,
        secret_hash -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    login_failure (account, place) {
        account -> Text,
        place -> Text,
        failures -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    known_place (account, place) {
        account -> Text,
        place -> Text,
        last_at -> BigInt,
    }
}

diesel::table! {
    mail (id) {
        id -> Text,
        sealed -> Text,
        attempts -> BigInt,
        due_at -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    code (purpose, user_id, known) {
        purpose -> Text,
        user_id -> Text,
        known -> Integer,
        hash -> Text,
        expires_at -> BigInt,
        tries -> BigInt,
        sent_at -> BigInt,
        sends -> BigInt,
        day_at -> BigInt,
    }
}

diesel::table! {
    code_request (purpose, email, place) {
        purpose -> Text,
        email -> Text,
        place -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    root_check (id) {
        id -> Integer,
        hash -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, user_roles);
