/** What every reply says where all went well. */
export const success = { error: 0, error_text: "Successful operation" };
