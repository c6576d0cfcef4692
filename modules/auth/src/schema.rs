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
        proved -> Integer,
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
    }
}

diesel::table! {
    code_sent (user_id, purpose, known, sent_at) {
        user_id -> Text,
        purpose -> Text,
        known -> Integer,
        sent_at -> BigInt,
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

diesel::table! {
    totp (user_id) {
        user_id -> Text,
        sealed -> Text,
        confirmed -> Integer,
        last_step -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    recovery_code (user_id, hash) {
        user_id -> Text,
        hash -> Text,
    }
}

diesel::table! {
    api_key (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        hash -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    invitation (id) {
        id -> Text,
        email -> Text,
        roles -> Text,
        invited_by -> Text,
        token_hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    address (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        company -> Nullable<Text>,
        line1 -> Text,
        line2 -> Nullable<Text>,
        city -> Text,
        region -> Nullable<Text>,
        postal_code -> Nullable<Text>,
        country -> Text,
        phone -> Nullable<Text>,
        is_default_shipping -> Integer,
        is_default_billing -> Integer,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    address_claim (id) {
        id -> Text,
        user_id -> Nullable<Text>,
        email -> Text,
        name -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        place -> Text,
        code_hash -> Text,
        answered -> Integer,
        mailed_at -> Nullable<BigInt>,
        tries -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, user_roles);
