//! What a handler takes, taken one after another: who asks is settled before a body is read, so that a stranger learns
//! nothing of it.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use schemars::SchemaGenerator;

use crate::route::{Describe, Operation};

/// The arguments of a handler: one to six that can be taken from a request and described.
pub trait Arguments: Describe + Sized + 'static {
    /// Takes them in the order in which they stand; the first that is refused ends it.
    fn take(request: HttpRequest, payload: Payload) -> LocalBoxFuture<'static, Result<Self, actix_web::Error>>;
}

/// Arguments as one that actix can take.
pub(crate) struct InOrder<A>(pub(crate) A);

impl<A: Arguments> FromRequest for InOrder<A> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let taken = A::take(request.clone(), payload.take());
        Box::pin(async move { Ok(Self(taken.await?)) })
    }
}

macro_rules! arguments {
    ($($part:ident)*) => {
        impl<$($part: Describe),*> Describe for ($($part,)*) {
            fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
                $($part::describe(operation, schemas);)*
            }
        }

        impl<$($part: Describe + FromRequest + 'static),*> Arguments for ($($part,)*) {
            fn take(
                request: HttpRequest,
                mut payload: Payload,
            ) -> LocalBoxFuture<'static, Result<Self, actix_web::Error>> {
                Box::pin(async move {
                    Ok(($($part::from_request(&request, &mut payload).await.map_err(Into::into)?,)*))
                })
            }
        }
    };
}
arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);
arguments!(A B C D E F);
