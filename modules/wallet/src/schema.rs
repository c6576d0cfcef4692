//! The tables of the ledger.

diesel::table! {
    account (id) {
        id -> Text,
        kind -> Text,
        owner -> Text,
        currency -> Text,
        debits_posted -> BigInt,
        credits_posted -> BigInt,
        debits_pending -> BigInt,
        credits_pending -> BigInt,
        frozen -> Integer,
        version -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    transfer (id) {
        id -> Text,
        kind -> Text,
        debit_account -> Text,
        credit_account -> Nullable<Text>,
        amount -> BigInt,
        currency -> Text,
        pending_id -> Nullable<Text>,
        reason -> Text,
        reference -> Nullable<Text>,
        note -> Nullable<Text>,
        outcome -> Text,
        refusal -> Nullable<Text>,
        actor -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    hold (id) {
        id -> Text,
        account_id -> Text,
        payee_account -> Nullable<Text>,
        amount -> BigInt,
        currency -> Text,
        state -> Text,
        reason -> Text,
        reference -> Text,
        refusal -> Nullable<Text>,
        fingerprint -> Text,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    resolution (pending_id) {
        pending_id -> Text,
        transfer_id -> Text,
    }
}

diesel::table! {
    entry (account_id, account_version) {
        account_id -> Text,
        account_version -> BigInt,
        transfer_id -> Text,
        side -> Text,
        amount -> BigInt,
        balance_after -> BigInt,
        held_after -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    deposit (id) {
        id -> Text,
        user_id -> Text,
        amount -> BigInt,
        currency -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        transfer_id -> Nullable<Text>,
        decided_by -> Nullable<Text>,
        created_at -> BigInt,
        decided_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    withdrawal (id) {
        id -> Text,
        user_id -> Text,
        amount -> BigInt,
        currency -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        hold_id -> Text,
        transfer_id -> Nullable<Text>,
        decided_by -> Nullable<Text>,
        created_at -> BigInt,
        decided_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    frozen_wallet (owner) {
        owner -> Text,
        reason -> Nullable<Text>,
        actor -> Text,
        created_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(entry, transfer);
